/// The order in which whoever changes logs takes its locks, so that of two of them one waits and never both.
///
/// 1. The advisory lock of a gateway's limit; of several in the order of their keys.
/// 2. The tables: `log_bodies`, then `logs`, then the partitions of each.
/// 3. Rows that are new: those of `log_bodies`, then of `logs`. Rows that are there: those of `logs`, then their bodies.
/// 4. `log_counts`, then `log_totals`, each in the order of its keys. Triggers do this for each statement.
/// 5. The roll-ups, in the order that `roll_up_usage` gives them. One statement adds to them in a transaction: a second
///    one would start at the beginning while it holds what the first has left behind. So what is counted without rows is
///    counted in a transaction of its own, in which `log_refusals` comes first.
///
/// Making and dropping partitions goes by the same order, after an advisory lock of its own. The database's functions are
/// written so; a person's statement that takes rows before bodies is in the way of a dropped month for a moment only.
enum LogLock {
    /// Takes the tables for a transaction that reads or changes rows before it changes bodies.
    static let tables: StaticString = "LOCK TABLE ONLY log_bodies, ONLY logs IN ROW EXCLUSIVE MODE"
}

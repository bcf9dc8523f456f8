import CProcessShim

/// The jobs of this process that no executor of its own claims.
///
/// A continuation resumes its task there first, wherever the task then goes; on the concurrency library's own threads
/// that is a detour of two thread switches.
package enum GlobalJobs {
    // SAFETY: written once by `run(on:)`, before the process has a second thread or a task, read only afterwards.
    nonisolated(unsafe) private static var executor: (any SerialExecutor)?

    /// Has all of them run by `executor`; no thread of the concurrency library is ever started.
    ///
    /// Must be called at most once, before the first task.
    package static func run(on executor: any SerialExecutor) {
        precondition(unsafe self.executor == nil, "global jobs have an executor already")
        unsafe self.executor = executor
        unsafe aig_take_global_jobs { job in
            guard let job = unsafe job else { return }
            // SAFETY: an unowned job is the address of a job and nothing else.
            let unowned = unsafe unsafeBitCast(job, to: UnownedJob.self)
            unsafe GlobalJobs.executor?.enqueue(ExecutorJob(unowned))
        }
    }
}

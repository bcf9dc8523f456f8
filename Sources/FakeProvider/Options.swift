/// What the command line may say.
struct Options {
    /// 0: the kernel chooses one.
    var port: UInt16 = 0
    var threads = 1
    /// Nanoseconds between the events of a stream; 0 sends them back to back.
    var pace: UInt64 = 0

    static let usage = """
        fake-provider [--port N] [--threads N] [--pace-ms N]

          --port N      port on 127.0.0.1 (default: any free one, printed on stdout)
          --threads N   event loops, 1 to 64 (default 1)
          --pace-ms N   milliseconds between two events of a stream (default 0); ?pace=N in a request overrides it
        """

    init(arguments: some Collection<String>) throws(OptionError) {
        var rest = Array(arguments)[...]
        while let name = rest.popFirst() {
            if name == "--help" || name == "-h" { throw .helpWanted }
            guard let text = rest.popFirst() else { throw .missingValue(name) }
            switch name {
            case "--port":
                guard let value = UInt16(text) else { throw .badValue(name, text) }
                port = value
            case "--threads":
                guard let value = Int(text), (1...64).contains(value) else { throw .badValue(name, text) }
                threads = value
            case "--pace-ms":
                guard let value = UInt64(text), value <= 60_000 else { throw .badValue(name, text) }
                pace = value * 1_000_000
            default:
                throw .unknown(name)
            }
        }
    }
}

/// Why the command line was not understood.
enum OptionError: Error, Equatable {
    case helpWanted
    case missingValue(String)
    case badValue(String, String)
    case unknown(String)

    var message: String {
        switch self {
        case .helpWanted: Options.usage
        case .missingValue(let name): "\(name) needs a value\n\(Options.usage)"
        case .badValue(let name, let text): "\(name): \(text) is out of range\n\(Options.usage)"
        case .unknown(let name): "\(name) is not an option\n\(Options.usage)"
        }
    }
}

import Glibc
import ProcessRuntime
import Testing

/// A shell command, run to its end, with what it wrote.
struct Shell {
    let output: String
    let status: ProcessRuntime.ExitStatus?

    init(
        _ command: String, environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        descriptors: [Int32: OwnedDescriptor] = [:], user: SystemUser? = nil,
        search: ChildImage.DirectorySearch = .ordinary
    ) throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let reader = OwnedDescriptor(ends[0])
        var image = ChildImage(path: "/bin/bash", arguments: ["bash", "-c", command], environment: environment)
        image.descriptors = descriptors
        image.descriptors[1] = OwnedDescriptor(ends[1])
        image.user = user
        image.directorySearch = search
        let process = try image.start()
        image.descriptors = [:]
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = read(reader.number, &piece, piece.count), count > 0 { bytes += piece.prefix(count) }
        output = String(decoding: bytes, as: UTF8.self)
        status = ExitStatus.collect(process)
    }
}

/// A private folder that is removed with its last owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/aig-process-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { _ = try? Shell("rm -rf '\(path)'") }
}

/// Runs `body` on a thread that ends with it.
func onOwnThread<T: Sendable>(_ body: @escaping @Sendable () -> T) throws -> T {
    let box = ResultBox<T>()
    let job = Job { box.result = body() }
    var thread = pthread_t()
    let started = pthread_create(
        &thread, nil,
        { pointer in
            guard let pointer else { return nil }
            Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(job).toOpaque())
    #expect(started == 0)
    pthread_join(thread, nil)
    return try #require(box.result)
}

// SAFETY: written by the thread, read after it was joined.
private final class ResultBox<T>: @unchecked Sendable { var result: T? }

private final class Job {
    private let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
    func run() { body() }
}

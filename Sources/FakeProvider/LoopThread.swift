import Glibc

/// A thread that belongs to one loop until the process ends.
enum LoopThread {
    static func start(_ loop: Loop) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(loop).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Loop>.fromOpaque(argument).takeRetainedValue().run()
            }, argument)
    }
}

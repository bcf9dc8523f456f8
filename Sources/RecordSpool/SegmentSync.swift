import Glibc

/// Makes finished segments durable without holding the event loop.
enum SegmentSync {
    /// Syncs and closes `descriptor` on a thread of its own: 64 MiB may take the disk longer than a request may wait.
    static func syncAndClose(_ descriptor: Int32) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 64 << 10)
        var thread = pthread_t()
        let started = pthread_create(
            &thread, &attributes,
            { argument in
                let descriptor = Int32(Int(bitPattern: argument))
                fsync(descriptor)
                close(descriptor)
                return nil
            }, UnsafeMutableRawPointer(bitPattern: Int(descriptor))
        )
        if started != 0 {
            fsync(descriptor)
            close(descriptor)
        }
    }
}

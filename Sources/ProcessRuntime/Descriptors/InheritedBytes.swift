import CProcessShim
import Glibc

/// Bytes that travel to a child in a memory file instead of its arguments or environment.
package enum InheritedBytes {
    /// The whole content of a memory file; empty when it cannot be read.
    ///
    /// Any number of processes may read one file.
    package static func read(descriptor: Int32) -> [UInt8] {
        var facts = stat()
        guard unsafe fstat(descriptor, &facts) == 0, facts.st_size > 0 else { return [] }
        let size = Int(facts.st_size)
        return unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let step = unsafe pread(
                    descriptor, buffer.baseAddress.map { unsafe $0 + count }, size - count, off_t(count))
                if step > 0 {
                    count += step
                } else if step == 0 || errno != EINTR {
                    break
                }
            }
        }
    }

    /// A new memory file with `bytes`, which nobody can change any more.
    ///
    /// `name` shows in `/proc`.
    package static func seal(_ bytes: [UInt8], name: String) throws(SystemError) -> OwnedDescriptor {
        let file = unsafe bytes.withUnsafeBytes { content in
            unsafe aig_memory_file(name, content.baseAddress, content.count, 1)
        }
        return OwnedDescriptor(try SystemError.check(file, "memfd_create \(name)"))
    }
}

import Testing

@testable import Upstream

@Suite("Idle pool")
struct IdlePoolTests {
    private final class Item {}

    @Test("the connection used last is taken first")
    func lastInFirstOut() {
        var pool = IdlePool<Item>(idleLimit: 8, openLimit: 8)
        let items = (0..<3).map { _ in Item() }
        for item in items {
            #expect(pool.reserve() == true)
            #expect(pool.put(item, at: 0) == .kept)
        }
        #expect(pool.take() === items[2])
        #expect(pool.take() === items[1])
        #expect(pool.take() === items[0])
        #expect(pool.take() == nil)
        #expect(pool.open == 3)
    }

    @Test("no more connections are opened than the limit, and closing one makes room")
    func openLimit() {
        var pool = IdlePool<Item>(idleLimit: 8, openLimit: 2)
        #expect(pool.reserve() == true)
        #expect(pool.reserve() == true)
        #expect(pool.reserve() == false)
        #expect(pool.remove(nil) == false)
        #expect(pool.reserve() == true)
        #expect(pool.open == 2)
    }

    @Test("more idle connections than the limit are not kept")
    func idleLimit() {
        var pool = IdlePool<Item>(idleLimit: 1, openLimit: 8)
        #expect(pool.put(Item(), at: 0) == .kept)
        #expect(pool.put(Item(), at: 0) == .full)
        #expect(pool.idleCount == 1)
    }

    @Test("a connection closed by its peer leaves the pool at once, whether idle or busy")
    func removal() {
        var pool = IdlePool<Item>(idleLimit: 8, openLimit: 8)
        let idle = Item()
        let busy = Item()
        #expect(pool.reserve() == true)
        #expect(pool.reserve() == true)
        #expect(pool.put(idle, at: 0) == .kept)
        #expect(!pool.isUnused)
        #expect(pool.remove(idle) == true)
        #expect(pool.remove(busy) == false)
        #expect(pool.take() == nil)
        #expect(pool.isUnused)
    }

    @Test("expiry takes exactly those that are old enough, across the clock's wrap-around")
    func expiry() {
        var pool = IdlePool<Item>(idleLimit: 8, openLimit: 8)
        let items = (0..<3).map { _ in Item() }
        let start = UInt32.max - 1
        for (offset, item) in items.enumerated() {
            #expect(pool.put(item, at: start &+ UInt32(offset)) == .kept)
        }
        #expect(pool.expire(at: start &+ 9, age: 10).count == 0)
        let old = pool.expire(at: start &+ 11, age: 10)
        #expect(old.map(ObjectIdentifier.init) == items[..<2].map(ObjectIdentifier.init))
        #expect(pool.take() === items[2])
    }
}

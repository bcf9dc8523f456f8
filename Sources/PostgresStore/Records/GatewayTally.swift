/// How many records of a batch are one gateway's.
package struct GatewayTally: Sendable, Equatable {
    package let account: String
    package let gateway: String
    package internal(set) var records = 0
    /// Its place in the batch's `LogRate`.
    var meter = 0

    init(account: UnsafeRawBufferPointer, gateway: UnsafeRawBufferPointer) {
        self.account = unsafe String(decoding: account, as: UTF8.self)
        self.gateway = unsafe String(decoding: gateway, as: UTF8.self)
    }

    package init(account: String, gateway: String, records: Int) {
        self.account = account
        self.gateway = gateway
        self.records = records
    }

    func matches(_ account: UnsafeRawBufferPointer, _ gateway: UnsafeRawBufferPointer) -> Bool {
        unsafe self.account.utf8.count == account.count && self.gateway.utf8.count == gateway.count
            && self.gateway.utf8.elementsEqual(gateway) && self.account.utf8.elementsEqual(account)
    }
}

/// What became of a batch of records.
package struct RecordOutcome: Sendable, Equatable {
    /// Rows that are new.
    package var stored = 0
    /// Records that full logs did not take, by gateway.
    package var refused: [GatewayTally] = []
    /// Records beyond what logs take in a second, by gateway.
    package var dropped: [GatewayTally] = []
    /// Records whose log is not kept, and that were counted for the first time.
    package var counted = 0
    /// Ids of the records that have no row, whenever they were counted, and for whatever reason.
    package var rowless: [String] = []

    package init(
        stored: Int = 0, refused: [GatewayTally] = [], dropped: [GatewayTally] = [], counted: Int = 0,
        rowless: [String] = []
    ) {
        self.stored = stored
        self.refused = refused
        self.dropped = dropped
        self.counted = counted
        self.rowless = rowless
    }
}

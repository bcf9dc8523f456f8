package import GatewayCore

/// A provider's answer over HTTP/1.1: the head, and a handle on the exchange that brings the body.
@WorkerLoop
package final class ProviderReply: UpstreamReply {
    package let head: ResponseHead
    private let exchange: ProviderExchange

    init(head: ResponseHead, exchange: ProviderExchange) {
        self.head = head
        self.exchange = exchange
    }

    /// Starts delivery of the body, within this call with what has arrived already.
    package func relay(to sink: any ReplySink) { exchange.relay(to: sink) }
    package func setReading(_ reading: Bool) { exchange.setReading(reading) }
    package func cancel() { exchange.cancel() }
    package func limitSilence(to limit: Duration) { exchange.limitSilence(to: limit) }
}

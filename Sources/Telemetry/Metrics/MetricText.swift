package import GatewayCore

/// The text of `/metrics`: Prometheus' exposition format 0.0.4.
package enum MetricText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Renders the cells of every worker and control's own samples.
    ///
    /// - Parameters:
    ///   - workers: slot and cells of each worker that ever ran.
    ///   - providers: the list that the workers' `WorkerTelemetry` was given.
    ///   - samples: what control adds; a sample may join a family of the workers.
    package static func render(
        workers: [(slot: Int, cells: any MetricCells)], providers: [String], samples: [MetricSample] = []
    ) -> String {
        var page = MetricPage()
        for metric in Metric.allCases {
            for worker in workers {
                page.add(
                    metric.name, metric.kind.rawValue, metric.help, [("worker", "\(worker.slot)")],
                    "\(worker.cells.value(metric.rawValue))"
                )
            }
        }
        let providerNames = ProviderLabels(providers).names
        for worker in workers { families(of: worker, providerNames, &page) }
        for sample in samples {
            page.add(sample.name, sample.kind.rawValue, sample.help, sample.labels, decimal(sample.value))
        }
        return page.text
    }

    private static func families(
        of worker: (slot: Int, cells: any MetricCells), _ providers: [String], _ page: inout MetricPage
    ) {
        let slot = (name: "worker", value: "\(worker.slot)")
        let cells = worker.cells
        for reason in MetricFamily.dropReasons {
            page.add(
                "aig_log_records_dropped_total", "counter", "Log records that could not be kept.",
                [slot, ("reason", reason.rawValue)], "\(cells.value(MetricFamily.dropped(reason)))"
            )
        }
        for store in MetricFamily.stores {
            page.add(
                "aig_store_available", "gauge", "1 while the store answers.",
                [slot, ("store", store.rawValue)], "\(cells.value(MetricFamily.available(store)))"
            )
            page.add(
                "aig_store_losses_total", "counter", "Times a store stopped answering.",
                [slot, ("store", store.rawValue)], "\(cells.value(MetricFamily.losses(store)))"
            )
        }
        for (place, type) in MetricFamily.requestTypes.enumerated() {
            for (offset, status) in MetricFamily.statusClasses.enumerated() {
                let count = cells.value(MetricFamily.requests + place * MetricFamily.statusClasses.count + offset)
                guard count > 0 else { continue }
                page.add(
                    "aig_requests_total", "counter", "Requests answered.",
                    [slot, ("type", type), ("status", status)], "\(count)"
                )
            }
        }
        for (place, provider) in providers.enumerated() {
            for (offset, status) in MetricFamily.statusClasses.enumerated() {
                let count = cells.value(
                    MetricFamily.providerRequests + place * MetricFamily.statusClasses.count + offset)
                guard count > 0 else { continue }
                page.add(
                    "aig_provider_requests_total", "counter", "Requests by the provider that was asked.",
                    [slot, ("provider", provider), ("status", status)], "\(count)"
                )
            }
        }
        for (place, code) in (MetricFamily.errorCodes.map(String.init) + ["other"]).enumerated() {
            let count = cells.value(MetricFamily.errors + place)
            guard count > 0 else { continue }
            page.add(
                "aig_request_errors_total", "counter", "Requests that the gateway itself refused or failed, by code.",
                [slot, ("code", code)], "\(count)"
            )
        }
        let duration = (
            "aig_request_duration_seconds", "From the complete request head to the last byte of the answer."
        )
        histogram(MetricFamily.wholeDuration, duration, [slot, ("answer", "whole")], cells, &page)
        histogram(MetricFamily.streamDuration, duration, [slot, ("answer", "stream")], cells, &page)
        let firstByte = ("aig_first_byte_seconds", "To the first byte of the provider's answer.")
        histogram(MetricFamily.firstByte, firstByte, [slot], cells, &page)
    }

    private static func histogram(
        _ first: Int, _ family: (name: String, help: String), _ labels: [(name: String, value: String)],
        _ cells: any MetricCells, _ page: inout MetricPage
    ) {
        var total: UInt64 = 0
        for place in 0...Histogram.bounds.count {
            total += cells.value(first + place)
            let bound = place < Histogram.bounds.count ? decimal(Double(Histogram.bounds[place]) / 1_000_000) : "+Inf"
            page.add(
                family.name, "histogram", family.help, labels + [("le", bound)], "\(total)", suffix: "_bucket"
            )
        }
        let sum = Double(cells.value(first + Histogram.bounds.count + 1)) / 1_000_000
        page.add(family.name, "histogram", family.help, labels, decimal(sum), suffix: "_sum")
        page.add(family.name, "histogram", family.help, labels, "\(total)", suffix: "_count")
    }

    /// Whole numbers without a fraction.
    private static func decimal(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}

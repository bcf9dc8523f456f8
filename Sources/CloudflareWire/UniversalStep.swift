package import GatewayCore
package import NIOCore

/// One step of a universal request (data-plane §1.3), in the form in which any request goes through the phases.
package struct UniversalStep: Sendable {
    /// Zero-based.
    package var index: Int
    /// The provider segment: `compat`, `custom-…` or a slug; lower case but for a custom provider's own name.
    package var provider: String
    /// `POST /v1/{account}/{gateway}/{provider}/{endpoint}` with the step's own fields, credentials included.
    ///
    /// `Directives.parse` finds the step's `cf-aig-*` headers in it.
    package var head: RequestHead
    package var config: StepConfig
    /// `query`: the body for the provider, byte for byte as it stood in the universal body.
    package var body: ByteBuffer
}

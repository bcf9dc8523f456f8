/// A value that must not be printed, encoded or compared by accident.
///
/// There is one way to the content, `reveal()`, which a search finds.
package struct Secret<Value: Sendable>: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    private let value: Value
    package init(_ value: Value) { self.value = value }
    package func reveal() -> Value { value }
    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Secret where Value == String {
    /// Stands for a text that is not shown, in answers of the management API and in files of declarations.
    package static var mask: String { "****" }
}

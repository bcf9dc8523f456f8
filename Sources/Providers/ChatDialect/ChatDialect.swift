/// How an OpenAI-shaped chat endpoint differs from OpenAI's, as data (providers.md §11).
///
/// A provider without one is sent what the client wrote and its answers are relayed as they are.
package struct ChatDialect: Sendable {
    /// What becomes of messages of the role `developer`, which few providers know.
    enum DeveloperRole: Sendable { case kept, system }

    /// Under which name the provider knows the limit of an answer.
    enum OutputLimit: Sendable {
        case either
        case maxTokens, maxCompletionTokens
        /// `max_completion_tokens` for models that think, either for others.
        case maxCompletionTokensWhenReasoning
    }

    /// For which models a rule holds.
    enum Models: Sendable {
        case all
        /// Models that think, unless the request says that they shall not.
        case thinking
        /// Models of which the catalogue says that they cannot think.
        case notThinking
        /// Models whose names begin with one of these.
        case named([String])
    }

    /// A member of the request that the provider refuses.
    struct Drop: Sendable {
        var members: [StaticString]
        var models: Models = .all
        /// JSON text of the one value that is no problem.
        var except: StaticString?

        init(_ members: StaticString..., models: Models = .all, except: StaticString? = nil) {
            self.members = members
            self.models = models
            self.except = except
        }
    }

    /// What is written in place of `"none"` as the effort of thinking.
    enum NoEffort: Sendable {
        case asGiven
        /// `"thinking":{"type":"disabled"}`
        case disabledThinking
    }

    /// What becomes of a request for several answers, where the provider gives one.
    enum SeveralAnswers: Sendable { case asked, refused }

    /// Whether a call of a function can be demanded.
    enum ForcedCalls: Sendable {
        case asGiven
        /// `required` is called `any`.
        case any
        /// Not while the model thinks: it may call then.
        case neverWhileThinking
    }

    /// What the endpoint gives back.
    package enum Answers: Sendable {
        case asTheyAre
        /// Brought into OpenAI's form where they are not (providers.md §11.1).
        case normalised
    }

    var developerRole = DeveloperRole.system
    var outputLimit = OutputLimit.either
    var drops: [Drop] = []
    /// Members with another name at the provider.
    var renames: [(from: StaticString, to: StaticString)] = []
    /// The largest temperature as JSON text and value; nil when OpenAI's is fine.
    var warmest: (text: String, value: Double)?
    var noEffort = NoEffort.asGiven
    var severalAnswers = SeveralAnswers.asked
    var forcedCalls = ForcedCalls.asGiven
    var messages = MessageRules()
    /// `response_format` of these types is left out.
    var refusedFormats: [String] = []
    /// Beginnings of names of models that think, for those of which the catalogue says nothing.
    var thinkingNames: [String] = []
    package var answers = Answers.normalised

    /// What the provider asks of messages.
    struct MessageRules: Sendable {
        /// What `content` may be.
        enum Content: Sendable {
            case asGiven
            /// A list of nothing but texts becomes one text.
            case joinedTexts
            /// The same in tools' messages only, and no null anywhere.
            case joinedResults
        }

        /// What ids of calls may be.
        enum CallIDs: Sendable {
            case anyText
            /// Exactly nine ASCII letters and digits.
            case nineCharacters
            /// At most forty characters.
            case fortyCharacters
        }

        /// Whether neighbours may have the same role.
        enum Neighbours: Sendable { case anyRole, merged }

        /// What a model's own message at the end has to say to be continued.
        enum Beginnings: Sendable { case asGiven, marked }

        /// Members that are refused.
        var drops: [StaticString] = []
        var content = Content.asGiven
        var callIDs = CallIDs.anyText
        var neighbours = Neighbours.anyRole
        var beginnings = Beginnings.asGiven

        /// Whether every message has to be looked at, whatever its text holds.
        var concernsAll: Bool {
            content != .asGiven || callIDs == .nineCharacters || neighbours != .anyRole || beginnings != .asGiven
        }
    }

    /// The rules for any endpoint that is said to be OpenAI-shaped: nothing is left out, answers are normalised.
    static let lenient: ChatDialect = {
        var dialect = ChatDialect()
        dialect.developerRole = .kept
        return dialect
    }()

    /// The rules for providers without the role `developer`.
    ///
    /// - Parameter outputLimit: their name for the limit of an answer.
    static func usual(_ outputLimit: OutputLimit = .either) -> ChatDialect {
        var dialect = ChatDialect()
        dialect.outputLimit = outputLimit
        return dialect
    }
}

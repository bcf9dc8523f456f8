import GatewayCore
package import NIOCore

extension ControlSettings {
    package func encoded() -> ByteBuffer {
        var out = TaggedWriter()
        out.write(1, stateDirectory)
        out.write(2, postgresURL.reveal())
        out.write(3, redisURL.reveal())
        out.write(4, account.rawValue)
        out.write(5, token.reveal())
        out.write(6, dataURL)
        out.write(7, controlURL)
        if let tls { out.write(8) { tls.encode(into: &$0) } }
        out.write(10) { limits.encode(into: &$0) }
        out.write(12, logQueue)
        out.write(13, spoolLimit)
        out.write(14, pricesFile)
        out.write(15, egressCAFile)
        out.write(16, egressAllowsPrivateAddresses)
        out.write(17, guardrailsEndpoint)
        out.write(18, guardrailsModel)
        out.write(19, guardrailsPromptInjectionModel)
        out.write(20, guardrailsAPIKeyFile)
        out.write(21, guardrailsTimeoutMilliseconds)
        out.write(22, logLevel)
        out.write(23, logFormat)
        out.write(32, secretRefreshMilliseconds)
        out.write(33, vaultAddress)
        out.write(34, vaultTokenFile)
        out.write(35, vaultNamespace)
        for reference in secretReferences { out.write(36, reference) }
        for (name, value) in secretEnvironment.sorted(by: { $0.key < $1.key }) {
            out.write(37, name + "=" + value.reveal())
        }
        for file in ownFiles { out.write(38, file) }
        out.write(60, logRetentionDays)
        if let declarations {
            out.write(61) { nested in
                nested.write(1, declarations.path)
                nested.write(2, bytes: declarations.content)
                nested.write(3, declarations.problem)
                nested.write(4, declarations.prunes)
                nested.write(5, declarations.account?.rawValue)
                nested.write(6, declarations.readAt)
            }
        }
        return out.buffer
    }

    /// Reads settings; nil when the bytes are damaged or what cannot be absent is absent.
    package init?(decoding buffer: ByteBuffer) {
        var reader = TaggedReader(buffer)
        self.init(stateDirectory: "", postgresURL: Secret(""), redisURL: Secret(""), account: "")
        while let field = reader.next() {
            switch field.number {
            case 1: stateDirectory = field.string
            case 2: postgresURL = Secret(field.string)
            case 3: redisURL = Secret(field.string)
            case 4: account = AccountID(field.string)
            case 5: token = Secret(field.string)
            case 6: dataURL = field.string
            case 7: controlURL = field.string
            case 8: tls = TLSIdentity(decoding: field.nested)
            case 10: limits = ProductLimits(decoding: field.nested)
            case 12: logQueue = field.int
            case 13: spoolLimit = field.int
            case 14: pricesFile = field.string
            case 15: egressCAFile = field.string
            case 16: egressAllowsPrivateAddresses = field.bool
            case 17: guardrailsEndpoint = field.string
            case 18: guardrailsModel = field.string
            case 19: guardrailsPromptInjectionModel = field.string
            case 20: guardrailsAPIKeyFile = field.string
            case 21: guardrailsTimeoutMilliseconds = field.int
            case 22: logLevel = field.string
            case 23: logFormat = field.string
            case 32: secretRefreshMilliseconds = field.int
            case 33: vaultAddress = field.string
            case 34: vaultTokenFile = field.string
            case 35: vaultNamespace = field.string
            case 36: secretReferences.append(field.string)
            case 37:
                let pair = field.string
                guard let equals = pair.utf8.firstIndex(of: UInt8(ascii: "=")) else { break }
                secretEnvironment[String(pair[..<equals])] = Secret(String(pair[pair.utf8.index(after: equals)...]))
            case 38: ownFiles.append(field.string)
            case 60: logRetentionDays = field.int
            case 61: declarations = Declarations(decoding: field.nested)
            default: break
            }
        }
        if reader.isDamaged || stateDirectory.isEmpty || postgresURL.reveal().isEmpty || account.rawValue.isEmpty {
            return nil
        }
    }
}

extension ControlSettings.Declarations {
    fileprivate init(decoding reader: TaggedReader) {
        var reader = reader
        self.init(path: "")
        while let field = reader.next() {
            switch field.number {
            case 1: path = field.string
            case 2: content = field.array
            case 3: problem = field.string
            case 4: prunes = field.bool
            case 5: account = AccountID(field.string)
            case 6: readAt = field.int
            default: break
            }
        }
    }
}

import Glibc

/// A local upstream that costs next to nothing, so that a measurement shows the proxy in front of it.
///
/// It answers `POST` with a chat completion of a fixed size or, when the request asks for a stream, with 50 server-sent
/// events; in Anthropic's or Gemini's format where the path is theirs. It is not a scripted provider: the end-to-end tests have one of their own.
@main
enum FakeProvider {
    static func main() {
        let options: Options
        do {
            options = try Options(arguments: CommandLine.arguments.dropFirst())
        } catch {
            Console.complain(error.message)
            exit(error == .helpWanted ? 0 : 64)
        }
        signal(SIGPIPE, SIG_IGN)
        do {
            // Further threads share the port of the first one, which may have been chosen by the kernel.
            let first = try Loop(port: options.port, pace: options.pace)
            var others: [Loop] = []
            for _ in 1..<options.threads {
                others.append(try Loop(port: first.port, pace: options.pace))
            }
            for loop in others {
                LoopThread.start(loop)
            }
            Console.say("listening on 127.0.0.1:\(first.port)")
            first.run()
        } catch {
            Console.complain(error.message)
            exit(69)
        }
    }
}

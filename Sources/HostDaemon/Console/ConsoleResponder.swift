// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Telemetry

/// Answers each request of the console: the access rule first, then one of four documents.
///
/// Called by hummingbird, in a task per connection.
struct ConsoleResponder: HTTPResponder {
    let rule: AccessRule
    let source: any StatusSource
    let version: String

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let response = await answer(request)
        // A HEAD's answer has the header fields of the GET's and no content (RFC 9110, 9.3.2).
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request) async -> Response {
        let facts = RequestFacts(request)
        switch rule.verdict(on: facts) {
        case .allowed: return await document(facts.path)
        case .signedIn: return await signedIn(facts.path)
        case .wrongMethod:
            var refusal = Reply.text(.methodNotAllowed, "The console only answers GET and HEAD.\n")
            refusal.headers[.allow] = "GET, HEAD"
            return refusal
        case .foreignHost:
            return Reply.text(
                .misdirectedRequest,
                "This console answers to localhost and 127.0.0.1 only; set console.token to use another name.\n"
            )
        case .tokenNeeded, .tokenWrong:
            let isWrong = rule.verdict(on: facts) == .tokenWrong
            let wantsPage = facts.path == "/" && request.headers[.authorization] == nil
            var refusal =
                wantsPage
                ? Reply.page(.unauthorized) { PageFrame.signIn(isWrong: isWrong, nonce: $0) }
                : Reply.text(
                    .unauthorized,
                    isWrong ? "That is not the token.\n" : "Send Authorization: Bearer TOKEN.\n"
                )
            refusal.headers[.wwwAuthenticate] = "Bearer"
            return refusal
        }
    }

    private func signedIn(_ path: String) async -> Response {
        // The page is opened again without the token, so that it stays in no history and no bookmark; a program that
        // asks for data follows no redirect.
        var response = path == "/" ? Reply.text(.seeOther, "") : await document(path)
        if path == "/" { response.headers[.location] = "/" }
        response.headers[.setCookie] = "\(AccessRule.cookieName)=\(rule.session); Path=/; HttpOnly; SameSite=Strict"
        return response
    }

    private func document(_ path: String) async -> Response {
        switch path {
        case "/": await page()
        case "/health": await health()
        case "/metrics": await metrics()
        case "/status.json": await status()
        default: Reply.text(.notFound, "There are /, /health, /metrics and /status.json.\n")
        }
    }

    private func page() async -> Response {
        do {
            let page = StatusPage(snapshot: try await source.snapshot(), now: .now)
            return Reply.page(.ok) { page.html(nonce: $0) }
        } catch {
            return Reply.page(.serviceUnavailable) { PageFrame.unavailable(reason: NoAnswer.reason(error), nonce: $0) }
        }
    }

    private func health() async -> Response {
        do {
            _ = try await source.ask("ping")
            return Reply.json(.ok, .object(["status": .string("ok"), "version": .string(version)]))
        } catch {
            return failure(error)
        }
    }

    private func metrics() async -> Response {
        do {
            let samples = try await source.ask("metrics").decoded(as: [MetricSample].self)
            return Reply.make(
                .ok,
                PrometheusText.render(MetricSample.merge([samples])),
                type: PrometheusText.contentType
            )
        } catch {
            return Reply.text(.serviceUnavailable, "The supervisor doesn't answer: \(NoAnswer.reason(error))\n")
        }
    }

    private func status() async -> Response {
        do {
            return Reply.json(.ok, try await source.snapshot().document)
        } catch {
            return failure(error)
        }
    }

    private func failure(_ error: any Error) -> Response {
        let reason = "the supervisor doesn't answer: \(NoAnswer.reason(error))"
        return Reply.json(.serviceUnavailable, .object(["status": .string("failing"), "reason": .string(reason)]))
    }
}

extension RequestFacts {
    fileprivate init(_ request: Request) {
        isReading = request.method == .get || request.method == .head
        path = request.uri.path
        host = request.head.authority
        authorization = request.headers[.authorization]
        cookies = request.headers[values: .cookie].flatMap { field in
            field.split(separator: ";").map { String($0.drop { $0 == " " }) }
        }
        queryToken = request.uri.queryParameters["token"].map(String.init)
    }
}

// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What all pages have around them, and the pages that say no.
enum PageFrame {
    /// `refresh`: seconds until the browser reads the page again, without script.
    ///
    /// `nonce`: what the response's policy lets through, a new one each time.
    static func whole(title: String, refresh: Int?, nonce: String, body: HTML) -> HTML {
        let again: HTML = refresh.map { "<meta http-equiv=\"refresh\" content=\"\($0)\">" } ?? ""
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title)</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="robots" content="noindex"><link rel="icon" href="data:,">\(again)
            <style nonce="\(nonce)">\(HTML(stringLiteral: PageStyle.css))</style></head>
            <body>\(body)</body></html>

            """
    }

    /// The supervisor doesn't answer.
    ///
    /// The page goes on asking.
    static func unavailable(reason: String, nonce: String) -> HTML {
        whole(
            title: "hostd: no answer",
            refresh: 5,
            nonce: nonce,
            body: """
                <header><h1>hostd</h1><p class="state"><span class="pill bad">no answer</span></p></header>
                <main><section class="notice"><h2>The supervisor doesn't answer</h2><p>\(reason)</p>
                <p>This page asks again every 5 seconds.</p></section></main>
                """
        )
    }

    static func signIn(isWrong: Bool, nonce: String) -> HTML {
        let heading = isWrong ? "That is not the token" : "This console needs its token"
        return whole(
            title: "hostd: sign in",
            refresh: nil,
            nonce: nonce,
            body: """
                <header><h1>hostd</h1></header>
                <main><section class="notice"><h2>\(heading)</h2>
                <p>It is <code>console.token</code> in hostd.yaml. Programs send it as
                <code>Authorization: Bearer TOKEN</code>.</p>
                <form method="get" action="/"><input type="password" name="token" aria-label="Token" required autofocus>\
                <button>Sign in</button></form></section></main>
                """
        )
    }

    /// `2026-11-25 07:40:12`.
    static func clock(_ date: Date) -> String {
        String(date.formatted(.iso8601).prefix(19)).replacing("T", with: " ")
    }
}

// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// A request before it is signed.
struct APIRequest {
    enum Body {
        case none
        /// Stays outside an OAuth 1.0a signature.
        case json(JSON)
        /// Is part of an OAuth 1.0a signature.
        case form([Parameter])
    }

    let method: String
    /// Below the base URL, with its slash.
    let path: String
    var query: [Parameter] = []
    var body = Body.none
}

/// The two generations of the API.
enum TwitterAPI: String, Sendable {
    case v2 = "2"
    case v1 = "1.1"

    func post(_ text: String, replyTo parent: String?, latitude: Double?, longitude: Double?) -> APIRequest {
        switch self {
        case .v2:
            var members = [JSON.Member("text", .string(text))]
            if let parent { members.append(JSON.Member("reply", ["in_reply_to_tweet_id": .string(parent)])) }
            return APIRequest(method: "POST", path: "/2/tweets", body: .json(.object(members)))
        case .v1:
            var form = [Parameter("status", text)]
            if let parent { form.append(Parameter("in_reply_to_status_id", parent)) }
            // As the original: 0, 0 is no place.
            if let latitude, let longitude, latitude != 0 || longitude != 0 {
                form += [Parameter("lat", "\(latitude)"), Parameter("long", "\(longitude)")]
            }
            return APIRequest(method: "POST", path: "/1.1/statuses/update.json", body: .form(form))
        }
    }

    func repeatStatus(_ id: String, by account: String) -> APIRequest {
        switch self {
        case .v2:
            APIRequest(
                method: "POST",
                path: "/2/users/\(Self.encoded(account))/retweets",
                body: .json(["tweet_id": .string(id)])
            )
        case .v1: APIRequest(method: "POST", path: "/1.1/statuses/retweet/\(Self.encoded(id)).json")
        }
    }

    /// `isRepeat`: `id` is the status that was repeated.
    func delete(_ id: String, isRepeat: Bool, by account: String) -> APIRequest {
        switch (self, isRepeat) {
        case (.v2, false): APIRequest(method: "DELETE", path: "/2/tweets/\(Self.encoded(id))")
        case (.v2, true):
            APIRequest(method: "DELETE", path: "/2/users/\(Self.encoded(account))/retweets/\(Self.encoded(id))")
        case (.v1, false): APIRequest(method: "POST", path: "/1.1/statuses/destroy/\(Self.encoded(id)).json")
        case (.v1, true): APIRequest(method: "POST", path: "/1.1/statuses/unretweet/\(Self.encoded(id)).json")
        }
    }

    /// A page of an account's home timeline, newest first.
    ///
    /// `page`: what the former page named; nil = the first.
    func homeTimeline(of account: String, since id: String?, page: String?) -> APIRequest {
        switch self {
        case .v2:
            var query = [
                Parameter("expansions", "author_id"), Parameter("max_results", "100"),
                Parameter(
                    "tweet.fields",
                    "author_id,created_at,conversation_id,entities,in_reply_to_user_id,lang,referenced_tweets,source"
                ), Parameter("user.fields", "description,location,name,profile_image_url,protected,url,username"),
            ]
            if let id { query.append(Parameter("since_id", id)) }
            if let page { query.append(Parameter("pagination_token", page)) }
            return APIRequest(
                method: "GET",
                path: "/2/users/\(Self.encoded(account))/timelines/reverse_chronological",
                query: query
            )
        case .v1:
            var query = [
                Parameter("count", "200"), Parameter("include_entities", "true"), Parameter("tweet_mode", "extended"),
            ]
            if let id { query.append(Parameter("since_id", id)) }
            if let page { query.append(Parameter("max_id", page)) }
            return APIRequest(method: "GET", path: "/1.1/statuses/home_timeline.json", query: query)
        }
    }

    /// A page of those whom an account follows.
    func friends(of account: String, page: String?) -> APIRequest {
        switch self {
        case .v2:
            var query = [
                Parameter("max_results", "1000"),
                Parameter("user.fields", "description,location,name,profile_image_url,protected,url,username"),
            ]
            if let page { query.append(Parameter("pagination_token", page)) }
            return APIRequest(method: "GET", path: "/2/users/\(Self.encoded(account))/following", query: query)
        case .v1:
            return APIRequest(
                method: "GET",
                path: "/1.1/friends/list.json",
                query: [
                    Parameter("count", "200"), Parameter("cursor", page ?? "-1"), Parameter("skip_status", "true"),
                    Parameter("user_id", account),
                ]
            )
        }
    }

    private static func encoded(_ segment: String) -> String {
        String(decoding: PercentEncoding.encode(segment), as: UTF8.self)
    }
}

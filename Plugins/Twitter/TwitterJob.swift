// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What stage 2 does, for whichever account: the shared part of its items, as JSON.
///
/// An item's own part is the account's user id.
struct TwitterJob: Equatable {
    enum Action: Equatable {
        case post(Post)
        /// The status, or the one that was repeated; nil: it was being posted when the deletion was staged.
        case delete(id: String?, isRepeat: Bool)
    }

    struct Post: Equatable {
        let text: String
        /// Begins with `@`: only for accounts that send such ones, unless what it answers is known at Twitter.
        var isReply = false
        /// The URI of what it answers.
        var replyTo: String?
        /// The URI of what it repeats.
        var repeatOf: String?
        var latitude: Double?
        var longitude: Double?
    }

    let notice: String
    let author: String
    let action: Action

    init(notice: String, author: String, _ action: Action) {
        self.notice = notice
        self.author = author
        self.action = action
    }

    init(_ notice: Notice, maxLength: Int) {
        var post = Post(text: StatusText.make(of: notice, limit: maxLength))
        post.isReply = StatusText.isReply(notice.content)
        post.replyTo = notice.replyTo?.uri
        post.repeatOf = notice.repeatOf?.uri
        post.latitude = notice.latitude
        post.longitude = notice.longitude
        self.init(notice: notice.uri, author: notice.author.uri, .post(post))
    }

    /// nil where `bytes` aren't a job.
    init?(_ bytes: [UInt8]) {
        guard let json = try? JSON(parsing: bytes), let notice = json["notice"]?.string,
            let author = json["author"]?.string
        else { return nil }
        if let id = json["delete"]?.string {
            self.init(
                notice: notice,
                author: author,
                .delete(id: id.isEmpty ? nil : id, isRepeat: json["repeat"]?.bool ?? false)
            )
            return
        }
        guard let text = json["text"]?.string else { return nil }
        var post = Post(text: text)
        post.isReply = json["reply"]?.bool ?? false
        post.replyTo = json["reply_to"]?.string
        post.repeatOf = json["repeat_of"]?.string
        post.latitude = json["lat"]?.double
        post.longitude = json["lon"]?.double
        self.init(notice: notice, author: author, .post(post))
    }

    var bytes: [UInt8] {
        var members = [JSON.Member("notice", .string(notice)), JSON.Member("author", .string(author))]
        switch action {
        case .delete(let id, let isRepeat):
            members += [JSON.Member("delete", .string(id ?? "")), JSON.Member("repeat", .bool(isRepeat))]
        case .post(let post):
            members += [JSON.Member("text", .string(post.text)), JSON.Member("reply", .bool(post.isReply))]
            if let uri = post.replyTo { members.append(JSON.Member("reply_to", .string(uri))) }
            if let uri = post.repeatOf { members.append(JSON.Member("repeat_of", .string(uri))) }
            if let latitude = post.latitude, let longitude = post.longitude {
                members += [JSON.Member("lat", .number("\(latitude)")), JSON.Member("lon", .number("\(longitude)"))]
            }
        }
        return JSON.object(members).bytes
    }
}

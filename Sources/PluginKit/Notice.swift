// SPDX-License-Identifier: Apache-2.0

/// A notice, as a producer posted it: the JSON form, or an ActivityStreams 2.0 `Create` or `Note` in its place.
public struct Notice: Sendable, Hashable {
    /// Where a notice came from, and so who may get it.
    public enum Locality: Int, Sendable {
        /// Of this site, for everybody: also for the firehose.
        case isPublic = 1
        /// Came from another site.
        case isRemote = 0
        /// Of this site, but not for the firehose.
        case isLocal = -1
        /// Came in through a gateway, as a bridge to another network.
        case isFromGateway = -2
    }

    /// Another notice that this one answers or repeats.
    public struct Reference: Sendable, Hashable {
        /// Its URI.
        public let uri: String
        /// Its number on this site.
        public let id: Int?
        /// Its author's nickname.
        public let nickname: String?
    }

    /// A frame longer than this isn't a notice.
    public static let maxBytes = 1 << 20

    /// Its number on this site.
    public let id: Int?
    /// Names it for ever, everywhere.
    public let uri: String
    /// A page that shows it.
    public let url: String?
    /// What it says, as plain text.
    public let content: String
    /// What it says, as HTML.
    public let rendered: String?
    /// When it was posted: RFC 3339, as the producer wrote it.
    public let created: String?
    /// What it was posted with, as `web`.
    public let source: String?
    /// Who posted it.
    public let author: Author
    /// What it answers.
    public let replyTo: Reference?
    /// What it repeats.
    public let repeatOf: Reference?
    /// Where it came from.
    public let locality: Locality
    /// Degrees north.
    public let latitude: Double?
    /// Degrees east.
    public let longitude: Double?
    /// The URL of its licence.
    public let license: String?
    /// Its tags, without `#`.
    public let tags: [String]
    /// The whole frame, unknown members included.
    public let frame: JSON

    /// True for a notice of this site, the only ones that remote targets get.
    public var goesToRemoteTargets: Bool { locality == .isPublic || locality == .isLocal }
    /// True for a notice that the site's firehose gets.
    public var goesToFirehose: Bool { locality == .isPublic }

    /// Reads a notice.
    public init(parsing bytes: [UInt8]) throws(FrameError) {
        try self.init(FrameReader.parse(bytes, maxBytes: Self.maxBytes))
    }

    /// Reads a notice.
    public init(_ frame: JSON) throws(FrameError) {
        if Self.isActivity(frame) {
            try self.init(activity: frame)
        } else {
            try self.init(FrameReader(frame), frame)
        }
    }

    private init(_ reader: FrameReader, _ frame: JSON) throws(FrameError) {
        id = try reader.int("id")
        uri = try reader.requiredString("uri")
        url = try reader.string("url")
        content = try reader.requiredString("content")
        rendered = try reader.string("rendered")
        created = try reader.string("created")
        source = try reader.string("source")
        author = try Author(reader.requiredObject("author"))
        replyTo = try Self.reference(reader.object("reply_to"))
        repeatOf = try Self.reference(reader.object("repeat_of"))
        locality = try Self.locality(reader)
        latitude = try reader.double("lat")
        longitude = try reader.double("lon")
        license = try reader.string("license")
        tags = try reader.strings("tags")
        self.frame = frame
    }

    init(
        uri: String,
        url: String?,
        content: String,
        rendered: String?,
        created: String?,
        source: String?,
        author: Author,
        replyTo: Reference?,
        locality: Locality,
        latitude: Double?,
        longitude: Double?,
        license: String?,
        tags: [String],
        frame: JSON
    ) {
        id = nil
        self.uri = uri
        self.url = url
        self.content = content
        self.rendered = rendered
        self.created = created
        self.source = source
        self.author = author
        self.replyTo = replyTo
        repeatOf = nil
        self.locality = locality
        self.latitude = latitude
        self.longitude = longitude
        self.license = license
        self.tags = tags
        self.frame = frame
    }

    private static func reference(_ reader: FrameReader?) throws(FrameError) -> Reference? {
        guard let reader else { return nil }
        return Reference(
            uri: try reader.requiredString("uri"),
            id: try reader.int("id"),
            nickname: try reader.string("nickname")
        )
    }

    /// `true` and `false` are 1 and 0; a producer that leaves it out posts its own, public notices.
    static func locality(_ reader: FrameReader) throws(FrameError) -> Locality {
        switch reader.member("is_local") {
        case nil: return .isPublic
        case .bool(let isLocal): return isLocal ? .isPublic : .isRemote
        case let value?:
            guard let number = value.int, let locality = Locality(rawValue: number) else {
                throw reader.error("is_local", "expected 1, 0, -1, -2, true or false, found \(value.kind)")
            }
            return locality
        }
    }
}

/// Who posted a notice, or whose profile has changed.
public struct Author: Sendable, Hashable {
    /// A number on this site.
    public let id: Int?
    /// Names the author for ever, everywhere.
    public let uri: String
    /// The short name.
    public let nickname: String?
    /// The whole name.
    public let fullname: String?
    /// The page that shows the author.
    public let profileURL: String?
    /// The picture.
    public let avatarURL: String?
    /// About the author.
    public let bio: String?
    /// Where the author says to be.
    public let location: String?
    /// The author's own page.
    public let homepage: String?
    /// The URL of the licence of the author's notices.
    public let license: String?

    /// Reads the frame of the queue `profile`: an object whose member `author` is the profile.
    public init(parsingProfile bytes: [UInt8]) throws(FrameError) {
        let frame = try FrameReader.parse(bytes, maxBytes: Notice.maxBytes)
        try self.init(FrameReader(frame).requiredObject("author"))
    }

    init(_ reader: FrameReader) throws(FrameError) {
        id = try reader.int("id")
        uri = try reader.requiredString("uri")
        nickname = try reader.string("nickname")
        fullname = try reader.string("fullname")
        profileURL = try reader.string("profile_url")
        avatarURL = try reader.string("avatar_url")
        bio = try reader.string("bio")
        location = try reader.string("location")
        homepage = try reader.string("homepage")
        license = try reader.string("license")
    }

    init(uri: String, nickname: String?, fullname: String?, profileURL: String?, avatarURL: String?, bio: String?) {
        id = nil
        self.uri = uri
        self.nickname = nickname
        self.fullname = fullname
        self.profileURL = profileURL
        self.avatarURL = avatarURL
        self.bio = bio
        location = nil
        homepage = nil
        license = nil
    }
}

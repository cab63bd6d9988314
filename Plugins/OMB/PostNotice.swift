// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// OMB 0.1 section 6: a notice as the parameters of a POST to a subscriber's postNotice URL.
enum PostNotice {
    static func form(of notice: Notice) -> PreparedForm {
        var parameters = [
            Parameter("omb_listenee", notice.author.uri), Parameter("omb_notice", notice.uri),
            Parameter("omb_notice_content", notice.content), Parameter("omb_version", OMBReply.version),
        ]
        if let license = notice.license ?? notice.author.license {
            parameters.append(Parameter("omb_notice_license", license))
        }
        if let url = notice.url { parameters.append(Parameter("omb_notice_url", url)) }
        return PreparedForm(parameters)
    }
}

/// OMB 0.1 section 7: a profile as the parameters of a POST to a subscriber's updateProfile URL.
enum UpdateProfile {
    /// All are present, as StatusNet sends them: an empty one blanks the field at the other end, a missing one keeps it.
    static func form(of author: Author) -> PreparedForm {
        PreparedForm([
            Parameter("omb_listenee", author.uri), Parameter("omb_listenee_avatar", author.avatarURL ?? ""),
            Parameter("omb_listenee_bio", author.bio ?? ""), Parameter("omb_listenee_fullname", author.fullname ?? ""),
            Parameter("omb_listenee_homepage", author.homepage ?? ""),
            Parameter("omb_listenee_license", author.license ?? ""),
            Parameter("omb_listenee_location", author.location ?? ""),
            Parameter("omb_listenee_nickname", author.nickname ?? ""),
            Parameter("omb_listenee_profile", author.profileURL ?? ""), Parameter("omb_version", OMBReply.version),
        ])
    }

    /// Where a recipient takes profiles, by its options.
    static func url(for recipient: Recipient) -> String? {
        let options = recipient.options
        return (options["updateprofile"] ?? options["update_profile_url"])?.string
    }

    /// FNV-1a, 64 bits: tells one content from another in a dedupe key, the same in every process.
    static func hash(of form: PreparedForm) -> UInt64 {
        form.form.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

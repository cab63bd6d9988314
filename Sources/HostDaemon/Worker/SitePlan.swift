// SPDX-License-Identifier: Apache-2.0
import PluginHost

/// What one site of a worker needs next: decides only, `SiteKeeper` does it.
struct SitePlan: Equatable {
    enum State: Equatable {
        /// Not with the plugin. `wanted` -> open.
        case absent
        /// `wanted` with other settings -> open (changed in place) or closing; `unwanted` -> closing; `failed` -> failed.
        case open(SiteSettings)
        /// The plugin refused it. `wanted`, `retry` -> open; `unwanted` -> absent.
        case failed(SiteSettings)
        /// It drains; `next` is what is to be opened then, nil = nothing. `wanted`, `unwanted` change `next`;
        /// `closed` -> open or absent.
        case closing(next: SiteSettings?)
    }

    enum Input: Equatable {
        case wanted(SiteSettings)
        case unwanted
        /// The plugin's site_open refused.
        case failed
        /// The plugin can't change an open site.
        case cannotReconfigure
        case closed
        case retry
    }

    enum Action: Equatable {
        case open(SiteSettings)
        case reconfigure(SiteSettings)
        case close
        /// Nothing is left to do for a site that had failed.
        case forget
        case none
    }

    private(set) var state = State.absent

    var isForgotten: Bool { state == .absent }
    var isClosing: Bool { if case .closing = state { true } else { false } }

    mutating func handle(_ input: Input) -> Action {
        switch (state, input) {
        case (.absent, .wanted(let settings)), (.failed, .wanted(let settings)):
            state = .open(settings)
            return .open(settings)
        case (.open(let old), .wanted(let settings)):
            // The same again: not even a call of the plugin.
            guard old != settings else { return .none }
            state = .open(settings)
            return .reconfigure(settings)
        case (.open(let settings), .failed):
            state = .failed(settings)
            return .none
        case (.open(let settings), .cannotReconfigure):
            state = .closing(next: settings)
            return .close
        case (.open, .unwanted):
            state = .closing(next: nil)
            return .close
        case (.failed, .unwanted):
            state = .absent
            return .forget
        case (.failed(let settings), .retry):
            state = .open(settings)
            return .open(settings)
        case (.closing, .wanted(let settings)):
            state = .closing(next: settings)
            return .none
        case (.closing, .unwanted):
            state = .closing(next: nil)
            return .none
        case (.closing(let next?), .closed):
            state = .open(next)
            return .open(next)
        case (.closing(nil), .closed):
            state = .absent
            return .forget
        case (.absent, _), (.open, _), (.failed, _), (.closing, _):
            return .none
        }
    }
}

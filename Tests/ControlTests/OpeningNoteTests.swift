// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing

@Suite struct OpeningNoteTests {
    @Test("The site that was being opened is found afterwards, once") func found() throws {
        let directory = try TemporaryDirectory()
        let note = OpeningNote(path: directory.file("note"))
        note.set(SiteName(unchecked: "a-site-with-a-long-name"))
        note.set(SiteName(unchecked: "bob"))
        #expect(OpeningNote.take(note.path) == SiteName(unchecked: "bob"))
        #expect(OpeningNote.take(note.path) == nil)
    }

    @Test("A worker that opened all, or never got so far, leaves no site") func none() throws {
        let directory = try TemporaryDirectory()
        let note = OpeningNote(path: directory.file("note"))
        #expect(OpeningNote.take(note.path) == nil)
        let other = OpeningNote(path: directory.file("other"))
        other.set(SiteName(unchecked: "bob"))
        other.set(nil)
        #expect(OpeningNote.take(other.path) == nil)
        #expect(OpeningNote.take(directory.file("never made")) == nil)
    }
}

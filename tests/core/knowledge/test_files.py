from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.errors import KnowledgeError
from core.knowledge.entries import Case, Desk, Entry
from core.knowledge.files import load

HEAD = "polydesk: 1\ntitle: Shop\n"
ENTRY = "entries:\n  - id: a\n    question: q\n    answer: x\n"


def kb(folder: Path, text: str | bytes) -> Path:
    path = folder / "kb.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path, *, trusted: bool = True) -> list[str]:
    with pytest.raises(KnowledgeError) as raised:
        load(path, trusted=trusted)
    return list(raised.value.problems)


def test_the_format_as_designed(tmp_path):
    for name in ("photos/cracked-mug.jpg", "photos/test-mug.jpg", "voice/wheres-my-order.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    kb(
        tmp_path,
        """
polydesk: 1
title: Northwind Outdoor
language: en                      # language of questions
error_budget: 0.02
messages: {}
desk: {timezone: Europe/Berlin, hours: {mon: "09:00-17:00"}, closed: ["2026-12-25"]}
entries:
  - id: return-damaged
    intent: returns
    question: My item arrived damaged, what now?
    variants: [it came broken, "the mug is cracked"]
    answer: |
      Sorry about that! Send us a photo ...
    photos: [photos/cracked-mug.jpg]
    media: []
    tags: [shipping]
    escalate: false
    enabled: true
  - {id: track-order, question: "Where is my order?", answer: {en: Here., de: Hier.}, escalate: Yes, enabled: off}
cases:
  - {text: "my cup is in pieces", expect: return-damaged}
  - {photo: photos/test-mug.jpg, expect: return-damaged}
  - {voice: voice/wheres-my-order.ogg, expect: track-order}
  - {text: "and now?", history: [hello], expect: none}
""",
    )
    knowledge = load(tmp_path)
    assert knowledge == load(tmp_path / "kb.yaml") == load(tmp_path, trusted=False)
    assert (knowledge.title, knowledge.language, knowledge.error_budget) == ("Northwind Outdoor", "en", 0.02)
    assert knowledge.desk == Desk("Europe/Berlin", {"mon": ((540, 1020),)}, ("2026-12-25",))
    damaged, track = knowledge.entries
    assert damaged == Entry(
        id="return-damaged",
        intent="returns",
        question="My item arrived damaged, what now?",
        variants=("it came broken", "the mug is cracked"),
        answer={"en": "Sorry about that! Send us a photo ...\n"},
        photos=(str(tmp_path / "photos/cracked-mug.jpg"),),
        tags=("shipping",),
    )
    assert track.intent == "track-order"
    assert track.answer == {"en": "Here.", "de": "Hier."}
    assert track.escalate and not track.enabled
    assert knowledge.cases == (
        Case("return-damaged", text="my cup is in pieces"),
        Case("return-damaged", photo=str(tmp_path / "photos/test-mug.jpg")),
        Case("track-order", voice=str(tmp_path / "voice/wheres-my-order.ogg")),
        Case("none", text="and now?", history=("hello",)),
    )


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "2024-01-01", "1.0", "0123", "1_000", "12:30", "null", "~", ".inf", "0x1F"]
)
def test_texts_are_taken_as_written(text, tmp_path):
    path = kb(
        tmp_path,
        f"polydesk: 1\ntitle: {text}\nlanguage: no\nmessages: {{welcome: {text}}}\nentries:\n"
        f"  - {{id: a, intent: {text}, question: {text}, variants: [{text}], tags: [{text}], answer: {{no: {text}}}}}\n"
        f"cases: [{{text: {text}, history: [{text}], expect: none}}]\n",
    )
    knowledge = load(path)
    assert knowledge.title == text
    assert knowledge.messages == {"welcome": {"no": text}}
    assert knowledge.entries == (Entry("a", text, {"no": text}, text, (text,), tags=(text,)),)
    assert knowledge.cases == (Case("none", text=text, history=(text,)),)


def test_ids_may_look_like_anything(tmp_path):
    text = "entries:\n" + "".join(
        f"  - {{id: {name}, question: q, answer: x}}\n" for name in ("no", "007", "2024-01-01", "-")
    )
    assert [entry.id for entry in load(kb(tmp_path, HEAD + text)).entries] == ["no", "007", "2024-01-01", "-"]


def test_every_problem_is_told_at_once_in_the_order_of_lines(tmp_path):
    path = kb(
        tmp_path,
        """polydesk: 1
titel: no
language: english
error_budget: 2%
messages: {welcom: hi, clarify: [a]}
desk: {timezone: Europe/Belin, hours: {mon: 9-17, mo: x}, closed: [2026-13-01]}
entries:
  - id: none
    question: no
    variants: it broke
    answer:
      - a
    photos: [nope.jpg]
    escalate: perhaps
  - id: Bad Id
    question:
    answer: {deutsch: x, de: [1]}
    question: again
  - just text
  - {id: a, question: q, answer: a}
  - {id: a, question: " ", answer: a, tgs: []}
cases:
  - {text: hello, expect: b}
  - {expect: a}
  - {voice: {}, expect: none}
""",
    )
    expected = [
        ("1: title: missing", "expected text"),
        ("2: titel: unknown field", "did you mean title?"),
        ("3: language: expected a language tag", '"english"'),
        ("4: error_budget: expected a number between 0 and 1", '"2%"'),
        ("5: messages.welcom: unknown field", "did you mean welcome?"),
        ("5: messages.clarify: expected text or {language: text}, got a list", ""),
        ("6: desk.timezone: expected a time zone", "did you mean Europe/Berlin?"),
        ("6: desk.closed[0]: expected a date", '"2026-13-01"'),
        ("6: desk.hours.mo: unknown field", "did you mean mon?"),
        ("6: desk.hours.mon: expected hours such as", '"9-17"'),
        ("8: entries[0].id: `none` is reserved", ""),
        ("10: entries[0].variants: expected a list of texts, got", '"it broke"'),
        ("11: entries[0].answer: expected text or {language: text}, got a list", ""),
        ("13: entries[0].photos[0]: there is no file", '"nope.jpg"'),
        ("14: entries[0].escalate: expected true or false", '"perhaps"'),
        ("15: entries[1].id: expected an id of a-z, 0-9 and -", '"Bad Id"'),
        ("16: entries[1].question: expected text, got nothing", ""),
        ("17: entries[1].answer.deutsch: expected a language tag", ""),
        ("17: entries[1].answer.de: expected text, got a list", ""),
        ("18: entries[1].question: given twice; first in line 16", ""),
        ("19: entries[2]: expected a mapping with id", '"just text"'),
        ("21: entries[4].tgs: unknown field", "did you mean tags?"),
        ("21: entries[4].question: expected text, got an empty one", ""),
        ("21: entries[4].id: a is the id of entries[3] (line 20) already", ""),
        ("23: cases[0].expect: no entry has the id", '"b"'),
        ("24: cases[1]: expected at least one of text, photo and voice", ""),
        ("25: cases[2].voice: expected the path of a voice note, got a mapping", ""),
    ]
    found = problems(path)
    for words, (start, part) in zip(found, expected, strict=True):
        assert words.startswith(f"kb.yaml:{start}"), words
        assert part in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "kb.yaml:1: the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("---\n", "the file is empty"),
        ("- a\n", "expected a mapping with polydesk, title"),
        ("hello\n", "expected a mapping"),
        ("polydesk: 1\ntitle: [a\nentries: []\n", "kb.yaml:3: YAML: "),
        ("polydesk: 1\n\ttitle: a\n", "kb.yaml:2: YAML: "),
        ("polydesk: 1\n---\ntitle: b\n", "kb.yaml:2: YAML: expected one document"),
        ("polydesk: 1\ntitle: \x07\n", "characters are not allowed"),
        ("polydesk: 1\ntitle: !!python/object:os.system x\n", "kb.yaml:2: YAML: tags such as"),
        ("polydesk: 1\ntitle: !!set {a}\n", "tags such as"),
        ("polydesk: 1\ntitle: *nobody\n", "*nobody has no &nobody before it"),
        ("polydesk: 1\nentries: &a [*a]\n", "*a stands inside its own &a"),
        ("polydesk: 2\nfoo: bar\n", "kb.yaml:1: polydesk: expected version 1"),
        ("polydesk:\ntitle: x\nentries: []\n", "kb.yaml:1: polydesk: expected the version of the"),
        ("title: x\nentries: []\n", "kb.yaml:1: polydesk: missing"),
        (HEAD + "entries: {a: b}\n", "kb.yaml:3: entries: expected a list of entries, got a mapping"),
        (HEAD + ENTRY + "cases: no\n", "kb.yaml:7: cases: expected a list of cases"),
        (HEAD + "entries: []\n? [a]\n: b\n", "expected a name before the colon, got a list"),
        (HEAD + "entries: []\nerror_budget: 1.5\n", "kb.yaml:4: error_budget: expected a share between 0 and 1"),
        (HEAD + "entries: []\nerror_budget: '0.1'\n", "error_budget: expected a number"),
        (HEAD + "entries: []\nerror_budget: .nan\n", "error_budget: expected a number"),
        (HEAD + "entries: []\nmessages: {welcome: ''}\n", "messages.welcome: expected text, got an empty one"),
        (HEAD + "entries: []\ndesk: {timezone: ../../etc/passwd}\n", "desk.timezone: expected a time zone"),
        (HEAD + "entries: []\ndesk: {timezone: Europe}\n", "desk.timezone: expected a time zone"),
        (HEAD + 'entries:\n  - {id: a, question: "x\\0y", answer: b}\n', "question: expected text, got a NUL"),
        (HEAD + "entries:\n  - {id: a, question: x, answer: b, variants: [a, , b]}\n", "YAML"),
        (HEAD + ENTRY + "    variants:\n      - a\n      -\n", "kb.yaml:9: entries[0].variants[1]: expected text"),
        (HEAD + "entries:\n  - {id: a, question: x, answer: b, enabled: 'no'}\n", "enabled: expected true or false"),
        (HEAD + "<<: {entries: []}\nentries: []\n", "<<: unknown field"),
    ],
)  # fmt: skip
def test_one_problem(text, words, tmp_path):
    found = problems(kb(tmp_path, text))
    assert any(words in problem for problem in found), found


def test_empty_optional_fields_are_absent_ones(tmp_path):
    text = HEAD + ENTRY + "    variants:\n    photos:\n    intent:\n    escalate:\nmessages:\ndesk:\ncases:\n"
    assert load(kb(tmp_path, text)).entries == (Entry("a", "q", {"en": "x"}, "a"),)


def test_a_byte_order_mark_is_fine_and_another_encoding_is_not(tmp_path):
    assert load(kb(tmp_path, b"\xef\xbb\xbf" + (HEAD + ENTRY).encode())).title == "Shop"
    assert "not UTF-8" in problems(kb(tmp_path, (HEAD + ENTRY).encode("utf-16")))[0]
    found = problems(kb(tmp_path, "polydesk: 1\ntitle: Caf\xe9\n".encode("latin-1")))
    assert "not UTF-8 (the first wrong byte is in line 2)" in found[0]


def test_windows_line_ends(tmp_path):
    text = (HEAD + "entries:\n  - id: a\n    question: q\n    answer: |\n      one\n      two\n").replace("\n", "\r\n")
    assert load(kb(tmp_path, text)).entries[0].answer == {"en": "one\ntwo\n"}


def test_files_that_are_none(tmp_path):
    assert "there is no such file" in problems(tmp_path)[0]
    assert "there is no such file" in problems(tmp_path / "nowhere.yaml")[0]
    (tmp_path / "kb.yaml").mkdir()
    assert "expected a file" in problems(tmp_path)[0]


def test_aliases_are_fine_until_they_are_a_bomb(tmp_path):
    shared = (
        HEAD + "entries:\n  - {id: a, question: q, answer: &sorry Sorry}\n  - {id: b, question: r, answer: *sorry}\n"
    )
    assert load(kb(tmp_path, shared)).entries[1].answer == {"en": "Sorry"}
    bomb = "polydesk: 1\ntitle: &a0 [lol, lol]\n"
    bomb += "".join(f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    started = time.monotonic()
    assert "aliases (*name) are expanded" in problems(kb(tmp_path, bomb))[0]
    assert time.monotonic() - started < 10


def test_depth_and_size_have_an_end(tmp_path):
    started = time.monotonic()
    assert "nested deeper than" in problems(kb(tmp_path, "polydesk: " + "[" * 100_000))[0]
    assert "nested deeper than" in problems(kb(tmp_path, "- " * 100_000))[0]
    assert "larger than 32 MiB" in problems(kb(tmp_path, b"#" * (33 * 1024 * 1024)))[0]
    assert "more than 1,000,000 values" in problems(kb(tmp_path, "a: [" + "a," * 1_000_001 + "]"))[0]
    assert time.monotonic() - started < 60


def test_a_hundred_thousand_variants_are_read(tmp_path):
    text = HEAD + "entries:\n"
    for n in range(1000):
        text += f"  - id: e{n}\n    question: q{n}\n    answer: a\n    variants:\n"
        text += "".join(f"      - how do I get {n} of {m}?\n" for m in range(100))
    started = time.monotonic()
    knowledge = load(kb(tmp_path, text))
    assert sum(len(entry.variants) for entry in knowledge.entries) == 100_000
    assert time.monotonic() - started < 60


def with_photo(folder: Path, path: str) -> Path:
    return kb(folder, HEAD + ENTRY + f"    photos: ['{path}']\n")


def test_a_path_on_the_command_line_may_lead_anywhere(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = tmp_path / "mug.jpg"
    outside.write_bytes(b"x")
    (inside / "link.jpg").symlink_to(outside)
    for path in ("../mug.jpg", str(outside), "link.jpg"):
        assert load(with_photo(inside, path)).entries[0].photos == (str(outside),)


@pytest.mark.parametrize(
    "path", ["../mug.jpg", "a/../../mug.jpg", "/etc/passwd", "C:\\mug.jpg", "..\\mug.jpg", "\\\\host\\mug.jpg"]
)
def test_an_upload_may_not_leave_its_folder(path, tmp_path):
    (tmp_path / "mug.jpg").write_bytes(b"x")
    (tmp_path / "inside").mkdir()
    assert (
        "expected a path inside the uploaded folder"
        in problems(with_photo(tmp_path / "inside", path), trusted=False)[0]
    )


def test_an_upload_may_not_hold_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/mug.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "real/mug.jpg")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    for path in ("link.jpg", "folder/mug.jpg"):
        assert "links are not followed in uploads" in problems(with_photo(tmp_path, path), trusted=False)[0]
    assert load(with_photo(tmp_path, "real/mug.jpg"), trusted=False).entries[0].photos
    (tmp_path / "other").mkdir()
    (tmp_path / "other/kb.yaml").symlink_to(tmp_path / "kb.yaml")
    assert "links are not followed" in problems(tmp_path / "other", trusted=False)[0]


def test_strange_file_names_are_told_not_raised(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("x" * 5000, "loop", "photos", "."):
        (tmp_path / "photos").mkdir(exist_ok=True)
        assert problems(with_photo(tmp_path, path))[0].startswith("kb.yaml:7: entries[0].photos[0]: ")


def test_files_that_are_no_photos_and_no_recordings_are_told_with_their_lines(tmp_path):
    # Given a page called a photo, a torn photo, a recording in the place of a photo, and one good file
    wav = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\0\0\0\0"
    content = {"page.jpg": b"<html></html>", "torn.jpg": b"\xff\xd8\xff torn", "say.wav": wav, "empty.png": b""}
    for name, raw in content.items():
        (tmp_path / name).write_bytes(raw)
    path = kb(
        tmp_path,
        HEAD
        + ENTRY
        + "    photos:\n      - page.jpg\n      - torn.jpg\n    media: [say.wav]\n"
        + "cases:\n  - {voice: say.wav, expect: a}\n  - voice: page.jpg\n    expect: a\n"
        + "  - {photo: empty.png, expect: a}\n",
    )
    # When nobody looks, names are enough; whoever imports looks
    assert load(path).entries[0].photos[0] == str(tmp_path / "page.jpg")
    with pytest.raises(KnowledgeError) as raised:
        load(path, look=True)
    photo = "expected a photo: JPEG, PNG, WebP or GIF"
    assert list(raised.value.problems) == [
        f'kb.yaml:8: entries[0].photos[0]: "page.jpg" is a document; {photo}',
        f'kb.yaml:9: entries[0].photos[1]: "torn.jpg" is damaged; {photo}',
        f'kb.yaml:10: entries[0].media[0]: "say.wav" cannot be read; {photo}',
        'kb.yaml:13: cases[1].voice: "page.jpg" is a document; expected a recording: OGG, MP3, M4A, WAV, FLAC or WebM',
        f'kb.yaml:15: cases[2].photo: "empty.png" is empty; {photo}',
    ]


def test_a_file_goes_by_the_name_it_was_uploaded_under(tmp_path):
    path = kb(tmp_path, "polydesk: 1\n")
    with pytest.raises(KnowledgeError, match=r"broken\.yaml:1: title: missing"):
        load(path, trusted=False, name="broken.yaml")
    with pytest.raises(KnowledgeError, match=r"broken\.yaml: there is no such file"):
        load(tmp_path / "none", name="broken.yaml")

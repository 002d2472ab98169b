"""What odd requests are made of: values that have broken servers before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bot.console.stage import jpeg, wav
from tests.fuzz.judge import MARK

TEXTS = (
    *("", " ", MARK, "\0", "a\0b", "\ud800", "\uffff", "🏔️", "😀" * 50, "ﷺ" * 20, "a" * 10_000, "\r\n", "'", '"', "|"),
    *("; DROP TABLE users", "' OR 1=1 --", "[x](javascript:alert(1))", "```", "../../../../etc/passwd", "..\\..\\x"),
    *("-1", "0", "1", "1e999", "9" * 30, "NaN", "null", "true", "on", "*", "{{7*7}}", "${7*7}", "${jndi:x}", "%s%n"),
    *("track-order", "a.b", "/start", "admin", "agent", "text", "photo", "voice", "live", "draft", "en"),
)

SEGMENTS = (
    *rb".. . ; % ' ~ \ # -1 1.5 // %2e%2e %2e%2e%2f ..%5c.. %00 %ff %c0%ae %F0%9F%98%80 %zz %20".split(),
    *b"%2525 %0d%0aX:1 %3Cfuzz%3E etc%2fpasswd {id} {sha} @evil.test static desk login api".split(),
    *(b"", b"\xff", b"a" * 5000, b"9" * 30, b"0" * 64),
)

QUERIES = (
    *b"q=%ff%00 q=%00 q=%25_ q=%F0%9F%98%80 q=1&q=2 q=%3Cfuzz%3E after=-1 after=x after=1e3 after=%D9%A3".split(),
    *b"next=//evil.test next=/console/../x next=%0d%0aX:1 kind=voice kind=%3Cfuzz%3E open={id}".split(),
    *b"question=%3Cfuzz%3E %ff=1 &&&= = ?".split(),
    *(b"after=" + b"9" * 30, b"q=" + b"a" * 5000),
)

METHODS = (*b"GET POST HEAD PUT PATCH DELETE OPTIONS TRACE PROPFIND get".split(), b"X" * 40)

KINDS = (
    *b"application/json application/x-www-form-urlencoded multipart/form-data application/xml text/html ;".split(),
    b"",
    b"\xff/\xff",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=" + b"x" * 300,
    b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; boundary=B; charset=utf-16",
    b"multipart/form-data; boundary=B; charset=nonsense",
    b"multipart/mixed; boundary=B",
    b"application/x-www-form-urlencoded; charset=nonsense",
    b"application/json; charset=none",
    b"text/plain; charset=utf-16",
)

HEADERS: Mapping[bytes, Sequence[bytes]] = {
    b"Accept-Language": (
        b"en;q=1e999",
        b"de;q=nan",
        b";;;,,",
        b"\xff\xfe",
        b"x" * 600,
        b"en-US,en;q=0.5",
        b"de;q=",
        b"*",
    ),
    b"Authorization": (b"Bearer", b"Bearer \xff", b"Basic Og==", b"bearer x", b"Bearer " + b"a" * 4000, b""),
    b"Cookie": (b"polydesk=x.y.z", b"polydesk", b"=;;", b"polydesk=\xff", b'polydesk="\\377"', b"a=" + b"b" * 6000),
    b"X-CSRF": (b"\xff", b"0" * 64, b""),
    b"Origin": (
        b"http://[",
        b"null",
        b"http://evil.test",
        b"https://[::1",
        b"\xff",
        b"http://\xff",
        b"//",
        b"http://a:b",
    ),
    b"Referer": (b"http://[", b"\xff"),
    b"Sec-Fetch-Site": (b"cross-site", b"\xff", b"", b"same-origin", b"none"),
    b"Host": (b"", b"\xff", b"a:b:c", b"[", b"evil.test", b"[::1]:80", b"a" * 300, b"a/b", b"a@b"),
    b"Range": (
        b"bytes=0-",
        b"bytes=abc",
        b"bytes=-1",
        b"bytes=9-1",
        b"bytes=" + b"0-0," * 200,
        b"bytes=-",
        b"\xff",
        b"x=1",
    ),
    b"If-Range": (b"\xff", b'"x"'),
    b"If-None-Match": (b"*", b"\xff", b'W/"'),
    b"If-Modified-Since": (b"yesterday", b"\xff", b"Sun, 99 Nov 2026 99:99:99 GMT", b"0"),
    b"X-Forwarded-For": (b"garbage", b",,,", b"[::1", b"\xff", b"a" * 3000, b"127.0.0.1"),
    b"X-Forwarded-Proto": (b"https", b"\xff", b"javascript", b"wss"),
    b"X-Forwarded-Host": (b"evil.test",),
    b"Transfer-Encoding": (b"chunked", b"gzip", b"\xff"),
    b"Expect": (b"100-continue", b"nonsense"),
    b"Upgrade": (b"websocket", b"h2c"),
    b"HX-Request": (b"true",),
    b"X-Telegram-Bot-Api-Secret-Token": (b"", b"guessed", b"\xff", b"a" * 5000),
    b"X-Slack-Request-Timestamp": (b"", b"x", b"9" * 30, b"-1", b"nan", b"1e9", b"\xff", b"\xd9\xa3"),
    b"X-Slack-Signature": (b"v0=", b"v0=" + b"0" * 64, b"\xff", b""),
    b"X-Odd": (b"\xff\xfe", b"a" * 70_000, b"\t", b""),
    b"Bad Name": (b"1",),
}

FILENAMES = (
    *rb"photo.jpg ../../../x.yaml kb.csv kb.zip kb.yaml <fuzz>.jpg .. /etc/passwd.yaml C:\x\kb.csv .csv".split(),
    *(b"", b"\xff.jpg", b"a\0b.csv", b"a" * 500 + b".csv", "😀.csv".encode()),
)

FILES = (
    *(
        jpeg(),
        jpeg()[:200],
        wav(0.1),
        wav(0.1)[:60],
        b"",
        b"\0" * 100,
        b"GIF89a",
        b"OggS" + b"\0" * 40,
        b"RIFF\0\0\0\0WEBP",
    ),
    *(
        b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        b"\xff\xfe",
        b"<svg onload='alert(1)'/>",
        b"<script>alert(1)</script>",
    ),
    *(
        b"id,question,answer\na-b,Why?,So\n",
        b"id;question\n\xff;\xff\n",
        b'id,question\n"',
        b"\xef\xbb\xbfid\nx\n",
        b"id\n" * 50,
    ),
    *(b"- - - -", b"? ? ?", b"{" * 300, b"a: !!python/object:x {}", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
    b"polydesk: 1\ntitle: x\nentries: []\n",
    b"polydesk: 1\nentries:\n- &a [*a]\n",
    b"polydesk: 99999999999999999999\n",
    b"polydesk: 1\ntitle: <fuzz>\nentries:\n- {id: a, question: '<fuzz>', answer: b, photos: [/etc/passwd]}\n",
    b"polydesk: 1\ntitle: x\nentries:\n- {id: a, question: '<fuzz>', answer: '<fuzz>', tags: ['<fuzz>']}\n",
)

BODIES = (b"[" * 100_000, b"{}", b"null", b"\xff" * 100, b"a=%ff&%=&=&&", b"%" * 50)

ENDS = (b"--B--\r\n", b"", b"--B")  # of a form in parts

PARTS = (b"", b"Content-Disposition: form-data", b"\xff: \xff", b"X: " + b"a" * 9000, b"X")  # heads that say no name

VALUES = (10**30, -1, 1.5, "", (), 2**63, "9" * 40, "\ud800", "\0", MARK)

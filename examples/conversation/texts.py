"""What people say: real Unicode of many scripts, and the texts that are hard to carry.

None of them says what the scripted model answers to in its own way, see ``rules.py``; that is put in front on purpose.
"""

import random

# Plain talk. Scripts, directions, widths, marks and joiners as they come.
TALK = [
    "Good morning, is anybody there?",
    "Thanks, that was quick!",
    "Wie spät ist es in Zürich? Grüße aus Køge, Øystein & Ævar",
    "Ça va bien, et toi ? L’été arrive à pas de loup…",
    "¿Dónde está el niño que pidió más piñas?",
    "Zażółć gęślą jaźń — pchnąć w tę łódź jeża",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "שלום! מתי הפגישה מחר? (בשעה 9:30)",
    "مرحبا، هل وصلت الرسالة رقم ٤٢ إلى الجميع؟",
    "سلام، حال شما چطور است؟ می‌خواهم بیایم",
    "English, then עברית, then عربي, then 1, 2, 3 again",
    "你好,今天的会议几点开始?",
    "明日の会議は何時からですか。資料は「全部」送りました。",
    "안녕하세요, 회의는 몇 시에 시작하나요?",
    "한글 (조합형)",
    "สวัสดีครับ วันนี้ประชุมกี่โมง",
    "नमस्ते, क्या बैठक आज है? क्षत्रिय ज्ञान",
    "வணக்கம், கூட்டம் எப்போது?",
    "გამარჯობა, როდის არის შეხვედრა?",
    "Բարեւ, ե՞րբ է հանդիպումը",
    "ሰላም ስብሰባው መቼ ነው?",
    "မင်္ဂလာပါ၊ အစည်းအဝေး ဘယ်အချိန်လဲ",
    "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 beyond the first plane: 𐍈 𝄞 𓀀 𠜎",
    "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 🏴‍☠️ 👍🏿",
    "🇩🇪🇯🇵🇧🇷 flags are pairs of letters",
    "❤️ with and ❤ without its selector",
    "1️⃣2️⃣3️⃣ keycaps",
    "Z̸̢͝a̷͖̔l̶̰̈́g̵̨̾ő̷̞ ţ̷͂ë̷́͜x̸̱̚t̶̰̿",
    "e\u0301 is not é, and Å is not A\u030a is not \u212b",
    "ﬁ ﬂ ① ½ ª — compatible, not equal",
]

# What breaks careless code: controls, separators, marks of direction, halves of things.
ODD = [
    " leading and trailing \t ",
    "two\nlines\r\nand a third\u2028and\u2029more\x0b\x0c",
    "a NUL\x00 in the middle",
    "\x1b[31mred\x1b[0m \x07\x7f\x85",
    "\ufeffa mark of byte order",
    "\u202eright to left by force\u202c and \u2067isolated\u2069",
    "zero\u200bwidth\u200cof\u200dmany\u2060kinds",
    "\ufffd \uffff \U0001ffff \U0010ffff",
    "\\n \\u0041 %s %00 {0} ${x} $1 `x` &amp; <b>bold</b> \"'",
    '{"json": [1, 2, {"deep": null}]}',
    "'; DROP TABLE messages; --",
    "XADD stream:inbound * {data}",
    "\u0301 starts with a mark that combines",
    "🏽 a tone without a hand, \u200d a joiner alone",
    "İIıi ẞß ﬀ ŉ: changes length with its case",
    "-1e309 NaN 0x1F 007",
]

PLACES = [
    "Berlin",
    "São Paulo",
    "القاهرة",
    "東京",
    "Санкт-Петербург",
    "ירושלים",
    "Llanfairpwllgwyngyll",
    "Đà Nẵng",
    "🏝️",
]

NAMES = [
    "Ada",
    "Bjørn",
    "Chloé",
    "Дмитрий",
    "Ελένη",
    "فاطمة",
    "גל",
    "花子",
    "지우",
    "ณัฐ",
    "अनिल",
    "Zoë 🦊",
    "O’Brien",
    "李雷",
]

REACTIONS = ["", "", "", "👍×3", "❤️×1, 🔥×12", "👩‍💻×2", "🏳️‍🌈×1, 🇺🇳×4"]


def say(rng: random.Random) -> str:
    """A sentence or a few of them."""
    if rng.random() < 0.2:
        return rng.choice(ODD)
    return rng.choice(("\n", " ", "  —  ")).join(rng.sample(TALK, rng.choice((1, 1, 1, 2, 4))))


def huge(rng: random.Random, size: int = 100_000) -> str:
    """A text of exactly ``size`` bytes of UTF-8 that repeats nowhere for long."""
    out: list[str] = []
    left = size
    while left > 0:
        piece = f"{rng.choice(TALK)} {rng.randrange(10**6)} "
        out.append(piece if len(piece.encode()) <= left else "." * left)
        left -= len(out[-1].encode())
    return "".join(out)

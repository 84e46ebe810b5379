//! A source text, split into what a compiler reads and the strings in it.
//!
//! A scanner for four languages, no parser: it knows comments and strings, and in Rust the modules that only tests see.
//! Regular expressions of TypeScript that hold a quote would mislead it; ours hold none.

/// A language that the walls stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    TypeScript,
    Lua,
}

impl Language {
    /// By the ending of a file's name.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "rs" => Some(Self::Rust),
            "py" | "pyi" => Some(Self::Python),
            "ts" | "mts" | "cts" => Some(Self::TypeScript),
            "lua" => Some(Self::Lua),
            _ => None,
        }
    }

    fn line_comment(self) -> &'static str {
        match self {
            Self::Rust | Self::TypeScript => "//",
            Self::Python => "#",
            Self::Lua => "--",
        }
    }

    fn block_comment(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Rust | Self::TypeScript => Some(("/*", "*/")),
            Self::Python => None,
            Self::Lua => Some(("--[[", "]]")),
        }
    }
}

/// A string in a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) line: usize,
    pub(super) text: String,
    /// A Python string in triple quotes: documentation, not a value.
    pub(super) prose: bool,
}

/// One file, without its comments and without what only tests see.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) language: Language,
    /// As it stands in the file.
    pub(super) text: String,
    /// The same lines with comments and the contents of strings left out.
    pub(super) code: String,
    pub(super) literals: Vec<Literal>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let language = Language::of(path).expect("only files of a known language are read");
        let (mut code, mut literals) = split(text, language);
        if language == Language::Rust {
            for (from, to) in test_modules(&code) {
                let lines = line_of(&code, from)..=line_of(&code, to);
                literals.retain(|literal| !lines.contains(&literal.line));
                let blank: String = code[from..to].chars().filter(|&c| c == '\n').collect();
                code.replace_range(from..to, &blank);
            }
        }
        Self { path: path.to_owned(), language, text: text.to_owned(), code, literals }
    }

    /// `path:line` of a place in [`Source::code`].
    pub(super) fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.path, line_of(&self.code, offset))
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

fn split(text: &str, language: Language) -> (String, Vec<Literal>) {
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(length) = comment(rest, language) {
            keep_lines(&mut code, &rest[..length]);
            rest = &rest[length..];
        } else if let Some(string) = string(rest, language, code.chars().last()) {
            let line = line_of(&code, code.len());
            let text = rest[string.from..string.to].to_owned();
            literals.push(Literal { line, text, prose: string.prose });
            code.push('"');
            keep_lines(&mut code, &rest[..string.length]);
            code.push('"');
            rest = &rest[string.length..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    (code, literals)
}

fn keep_lines(code: &mut String, dropped: &str) {
    code.extend(dropped.chars().filter(|&c| c == '\n'));
}

/// Length of the comment that `rest` starts with.
fn comment(rest: &str, language: Language) -> Option<usize> {
    if let Some((open, close)) = language.block_comment()
        && rest.starts_with(open)
    {
        let mut depth = 0;
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].starts_with(open) && (depth == 0 || language == Language::Rust) {
                depth += 1;
                at += open.len();
            } else if rest[at..].starts_with(close) {
                depth -= 1;
                at += close.len();
                if depth == 0 {
                    return Some(at);
                }
            } else {
                at += rest[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        return Some(rest.len());
    }
    rest.starts_with(language.line_comment()).then(|| rest.find('\n').unwrap_or(rest.len()))
}

/// A string at the start of a text: where its contents are, and how long it is with its quotes.
struct Found {
    from: usize,
    to: usize,
    length: usize,
    prose: bool,
}

fn string(rest: &str, language: Language, before: Option<char>) -> Option<Found> {
    let closed_by = |open: usize, close: &str, prose: bool| {
        let to = rest[open..].find(close).map_or(rest.len(), |at| open + at);
        Found { from: open, to, length: (to + close.len()).min(rest.len()), prose }
    };
    match language {
        Language::Rust => {
            let inside_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if let Some(hashes) = raw_rust(rest)
                && (!inside_a_word || before == Some('b'))
            {
                return Some(closed_by(hashes + 2, &format!("\"{}", "#".repeat(hashes)), false));
            }
            if rest.starts_with('\'') {
                // A lifetime is no character: 'a, but 'a' and '\n'.
                let mut chars = rest.chars().skip(1);
                let first = chars.next()?;
                return (first == '\\' || chars.next() == Some('\'')).then(|| quoted(rest, '\'')).flatten();
            }
            quoted(rest, '"')
        }
        Language::Python => ["\"\"\"", "'''"]
            .iter()
            .find(|quotes| rest.starts_with(**quotes))
            .map(|quotes| closed_by(3, quotes, true))
            .or_else(|| quoted(rest, '"'))
            .or_else(|| quoted(rest, '\'')),
        Language::TypeScript => quoted(rest, '"').or_else(|| quoted(rest, '\'')).or_else(|| quoted(rest, '`')),
        Language::Lua => rest
            .starts_with("[[")
            .then(|| closed_by(2, "]]", false))
            .or_else(|| quoted(rest, '"'))
            .or_else(|| quoted(rest, '\'')),
    }
}

/// Number of `#` of a raw string that `rest` starts with.
fn raw_rust(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// A string between two `quote`s, with escapes.
fn quoted(rest: &str, quote: char) -> Option<Found> {
    let mut chars = rest.char_indices().skip(1);
    if !rest.starts_with(quote) {
        return None;
    }
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return Some(Found { from: 1, to: at, length: at + 1, prose: false });
        }
    }
    Some(Found { from: 1, to: rest.len(), length: rest.len(), prose: false })
}

/// Where the modules behind `#[cfg(test)]` stand that are written out in this file.
fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        from = at + 1;
        let Some(open) = code[at..].find(['{', ';']).map(|open| at + open) else { break };
        let item = code[at + "#[cfg(test)]".len()..open].trim();
        if code[open..].starts_with(';') || !item.split_whitespace().any(|word| word == "mod") {
            continue;
        }
        let mut depth = 0_usize;
        for (offset, c) in code[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                from = open + offset + 1;
                found.push((at, from));
                break;
            }
        }
    }
    // From the back, so that taking one out moves none of the others.
    found.reverse();
    found
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let texts = |path: &str, text: &str| -> (String, Vec<String>) {
        let source = Source::new(path, text);
        (source.code.replace("\"\"", "S"), source.literals.into_iter().map(|literal| literal.text).collect())
    };
    assert_eq!(
        texts("a.rs", "a /* b /* c */ d */ \"e\\\"f\" 'g' '\\'' <'h> r#\"i\"j\"# // k\nl"),
        ("a  S S S <'h> S \nl".into(), vec!["e\\\"f".into(), "g".into(), "\\'".into(), "i\"j".into()])
    );
    assert_eq!(
        texts("a.py", "'''a\nb''' c # d\n'e' f\"g\""),
        ("\"\n\" c \nS fS".into(), vec!["a\nb".into(), "e".into(), "g".into()])
    );
    assert_eq!(texts("a.mts", "`a${b}` /* c */ 'd'"), ("S  S".into(), vec!["a${b}".into(), "d".into()]));
    assert_eq!(texts("a.lua", "--[[ a\nb ]] c -- d\n[[e]] 'f'"), ("\n c \nS S".into(), vec!["e".into(), "f".into()]));
}

#[test]
fn what_only_tests_see_is_left_out() {
    let text = "a\n#[cfg(test)]\nmod tests {\n  fn b() { \"c\" }\n}\nd \"e\"\n#[cfg(test)]\nmod f;\ng";
    let source = Source::new("a.rs", text);
    assert!(!source.code.contains("fn b") && source.code.contains('d') && source.code.contains('g'));
    assert_eq!(source.literals, [Literal { line: 6, text: "e".into(), prose: false }]);
    assert_eq!(source.at(source.code.rfind('g').unwrap()), "a.rs:9");
}

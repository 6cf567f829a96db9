//! The text of a regular expression → a tree.
//!
//! Truth:
//! <https://docs.oracle.com/en/java/javase/11/docs/api/java.base/java/util/regex/Pattern.html>.

/// How many groups may lie inside each other.
const NESTING: usize = 50;
/// How many bytes an expression may have.
const BYTES: usize = 4096;
/// The largest count in braces.
const COUNT: u32 = 1000;

/// Why a text cannot be matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotUsable {
    /// It is not a regular expression.
    Invalid,
    /// Java knows it, this emulator does not.
    NotRunYet(&'static str),
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Set(Set),
    Assertion(Assertion),
    /// A group and, if it is remembered, its number.
    Group(Box<Node>, Option<usize>),
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
        greedy: bool,
    },
}

/// A set of characters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    ranges: Vec<(char, char)>,
    classes: Vec<Class>,
    negated: bool,
}

/// A category of Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Separator,
    Control,
}

impl Class {
    //? assumed: Rust's tables are near enough to the categories L, N, Z and C, which hold a little
    //? less (L, N) or more (C: format characters, what is not assigned)
    fn has(self, character: char) -> bool {
        match self {
            Self::Letter => character.is_alphabetic(),
            Self::Number => character.is_numeric(),
            Self::Separator => character.is_whitespace() && !character.is_control(),
            Self::Control => character.is_control(),
        }
    }
}

/// What holds between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
    Start,
    LineStart,
    End,
    /// At the end, or before a line break that ends the text.
    EndOrLastBreak,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}

/// A whole expression.
#[derive(Debug)]
pub(super) struct Regexp {
    pub(super) node: Node,
    /// How many groups are remembered.
    pub(super) groups: usize,
    pub(super) ignore_case: bool,
}

impl Set {
    fn of(ranges: &[(char, char)]) -> Self {
        Self { ranges: ranges.to_vec(), ..Self::default() }
    }

    fn class(class: Class) -> Self {
        Self { classes: vec![class], ..Self::default() }
    }

    fn one(character: char) -> Self {
        Self::of(&[(character, character)])
    }

    /// How much it takes to hold the set, and to ask it.
    pub(super) fn size(&self) -> usize {
        self.ranges.len() + self.classes.len()
    }

    fn negate(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// Whether the set has `character`, or its other case if that does not matter.
    pub(crate) fn has(&self, character: char, ignore_case: bool) -> bool {
        let listed = |character: char| {
            self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&character))
                || self.classes.iter().any(|class| class.has(character))
        };
        let found = listed(character)
            || (ignore_case
                && (listed(character.to_ascii_lowercase())
                    || listed(character.to_ascii_uppercase())));
        found != self.negated
    }

    /// Adds another set; a negated one is turned into what it has.
    fn add(&mut self, other: Self) -> Result<(), NotUsable> {
        if !other.negated {
            self.ranges.extend(other.ranges);
            self.classes.extend(other.classes);
            return Ok(());
        }
        if !other.classes.is_empty() {
            return Err(NotUsable::NotRunYet("all but a category inside a class"));
        }
        let mut ranges = other.ranges;
        ranges.sort_unstable();
        let mut next = Some('\0');
        for (first, last) in ranges {
            if let Some(start) = next.filter(|start| *start < first)
                && let Some(before) = ('\0'..first).next_back()
            {
                self.ranges.push((start, before));
            }
            next = next.max((last..=char::MAX).nth(1));
            if last == char::MAX {
                next = None;
                break;
            }
        }
        self.ranges.extend(next.map(|start| (start, char::MAX)));
        Ok(())
    }
}

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Regexp, NotUsable> {
    if text.len() > BYTES {
        return Err(NotUsable::NotRunYet("so many parts"));
    }
    let mut parser = Parser { rest: text, groups: 0, nesting: 0, flags: Flags::default() };
    parser.leading_flags()?;
    let node = parser.alternatives()?;
    if !parser.rest.is_empty() {
        return Err(NotUsable::Invalid);
    }
    Ok(Regexp { node, groups: parser.groups, ignore_case: parser.flags.ignore_case })
}

#[derive(Debug, Default)]
struct Flags {
    ignore_case: bool,
    /// `.` has line breaks too.
    dot_all: bool,
    /// `^` and `$` hold at every line.
    multiline: bool,
}

struct Parser<'t> {
    rest: &'t str,
    groups: usize,
    nesting: usize,
    flags: Flags,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Result<char, NotUsable> {
        let next = self.peek().ok_or(NotUsable::Invalid)?;
        self.rest = &self.rest[next.len_utf8()..];
        Ok(next)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let after = self.rest.strip_prefix(wanted);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn leading_flags(&mut self) -> Result<(), NotUsable> {
        let Some(flags) = self.rest.strip_prefix("(?") else { return Ok(()) };
        let Some((flags, rest)) = flags.split_once(')') else { return Ok(()) };
        if flags.is_empty() || !flags.chars().all(|flag| "ism".contains(flag)) {
            return Ok(());
        }
        self.flags.ignore_case = flags.contains('i');
        self.flags.dot_all = flags.contains('s');
        self.flags.multiline = flags.contains('m');
        self.rest = rest;
        Ok(())
    }

    fn alternatives(&mut self) -> Result<Node, NotUsable> {
        let mut alternatives = vec![self.sequence()?];
        while self.take("|") {
            alternatives.push(self.sequence()?);
        }
        Ok(if alternatives.len() == 1 {
            alternatives.remove(0)
        } else {
            Node::Alternatives(alternatives)
        })
    }

    fn sequence(&mut self) -> Result<Node, NotUsable> {
        let mut nodes = Vec::new();
        while !matches!(self.peek(), None | Some('|' | ')')) {
            if self.take("\\Q") {
                let end = self.rest.find("\\E").unwrap_or(self.rest.len());
                nodes.extend(self.rest[..end].chars().map(|quoted| Node::Set(Set::one(quoted))));
                self.rest = &self.rest[end..];
                self.take("\\E");
                continue;
            }
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn repeated(&mut self, node: Node) -> Result<Node, NotUsable> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.counts()?,
            _ => return Ok(node),
        };
        if !self.take("}") {
            self.next()?;
        }
        if self.take("+") {
            return Err(NotUsable::NotRunYet("a possessive quantifier"));
        }
        let greedy = !self.take("?");
        if matches!(self.peek(), Some('*' | '+' | '?')) {
            return Err(NotUsable::Invalid);
        }
        Ok(Node::Repeat { node: Box::new(node), least, most, greedy })
    }

    /// Reads `{least,most}` up to the closing brace.
    fn counts(&mut self) -> Result<(u32, Option<u32>), NotUsable> {
        self.next()?;
        let end = self.rest.find('}').ok_or(NotUsable::Invalid)?;
        let (counts, rest) = self.rest.split_at(end);
        self.rest = rest;
        let number = |digits: &str| match digits.parse::<u32>() {
            Ok(count) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                if count > COUNT {
                    Err(NotUsable::NotRunYet("so large a count"))
                } else {
                    Ok(count)
                }
            }
            _ => Err(NotUsable::Invalid),
        };
        let (least, most) = match counts.split_once(',') {
            None => (number(counts)?, Some(number(counts)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        if most.is_some_and(|most| most < least) {
            return Err(NotUsable::Invalid);
        }
        Ok((least, most))
    }

    fn atom(&mut self) -> Result<Node, NotUsable> {
        Ok(match self.next()? {
            '(' => return self.group(),
            '[' => Node::Set(self.class()?),
            '.' if self.flags.dot_all => Node::Set(Set::default().negate()),
            '.' => Node::Set(line_breaks().negate()),
            '^' if self.flags.multiline => Node::Assertion(Assertion::LineStart),
            '^' => Node::Assertion(Assertion::Start),
            '$' if self.flags.multiline => Node::Assertion(Assertion::LineEnd),
            '$' => Node::Assertion(Assertion::EndOrLastBreak),
            '\\' => return self.escape(),
            '*' | '+' | '?' | '{' => return Err(NotUsable::Invalid),
            other => Node::Set(Set::one(other)),
        })
    }

    fn group(&mut self) -> Result<Node, NotUsable> {
        if self.nesting == NESTING {
            return Err(NotUsable::NotRunYet("groups nested so deeply"));
        }
        let number = if self.take("?:") {
            None
        } else {
            if self.rest.starts_with('?') {
                self.group_name()?;
            }
            self.groups += 1;
            Some(self.groups)
        };
        self.nesting += 1;
        let node = self.alternatives()?;
        self.nesting -= 1;
        if !self.take(")") {
            return Err(NotUsable::Invalid);
        }
        Ok(Node::Group(Box::new(node), number))
    }

    /// Passes over `?<name>`; whatever else a `?` may begin is not run.
    fn group_name(&mut self) -> Result<(), NotUsable> {
        let name = self.rest.strip_prefix("?<").and_then(|name| name.split_once('>'));
        match name {
            Some((name, rest)) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                self.rest = rest;
                Ok(())
            }
            _ if self.rest.starts_with("?<") || self.rest.starts_with(['=', '!']) => {
                Err(NotUsable::NotRunYet("a look-around"))
            }
            _ if self.rest.starts_with("?=") || self.rest.starts_with("?!") => {
                Err(NotUsable::NotRunYet("a look-around"))
            }
            _ => Err(NotUsable::NotRunYet("such a group")),
        }
    }

    fn escape(&mut self) -> Result<Node, NotUsable> {
        let assertion = match self.peek() {
            Some('b') => Assertion::WordBoundary,
            Some('B') => Assertion::NoWordBoundary,
            Some('A') => Assertion::Start,
            Some('z') => Assertion::End,
            Some('Z') => Assertion::EndOrLastBreak,
            Some('1'..='9' | 'k') => return Err(NotUsable::NotRunYet("a reference back")),
            _ => return self.escaped_set().map(Node::Set),
        };
        self.next()?;
        Ok(Node::Assertion(assertion))
    }

    /// Reads on after a backslash that stands for a set or for one character.
    fn escaped_set(&mut self) -> Result<Set, NotUsable> {
        Ok(match self.next()? {
            'd' => digits(),
            'D' => digits().negate(),
            'w' => word(),
            'W' => word().negate(),
            's' => space(),
            'S' => space().negate(),
            't' => Set::one('\t'),
            'n' => Set::one('\n'),
            'r' => Set::one('\r'),
            'f' => Set::one('\u{c}'),
            'a' => Set::one('\u{7}'),
            'e' => Set::one('\u{1b}'),
            'x' => Set::one(self.code(2)?),
            'u' => Set::one(self.code(4)?),
            'p' => self.property()?,
            'P' => self.property()?.negate(),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(NotUsable::NotRunYet("this escape"));
            }
            other => Set::one(other),
        })
    }

    fn code(&mut self, length: usize) -> Result<char, NotUsable> {
        let digits = self.rest.get(..length).ok_or(NotUsable::Invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotUsable::Invalid);
        }
        self.rest = &self.rest[length..];
        let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        code.ok_or(NotUsable::NotRunYet("half a surrogate pair"))
    }

    fn property(&mut self) -> Result<Set, NotUsable> {
        let name = self.rest.strip_prefix('{').and_then(|name| name.split_once('}'));
        let Some((name, rest)) = name else {
            return Err(NotUsable::NotRunYet("this property"));
        };
        self.rest = rest;
        Ok(match name {
            "Lower" => Set::of(&[('a', 'z')]),
            "Upper" => Set::of(&[('A', 'Z')]),
            "Alpha" => Set::of(&[('a', 'z'), ('A', 'Z')]),
            "Digit" => digits(),
            "Alnum" => Set::of(&[('a', 'z'), ('A', 'Z'), ('0', '9')]),
            "Punct" => Set::of(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
            "XDigit" => Set::of(&[('0', '9'), ('a', 'f'), ('A', 'F')]),
            "Space" => space(),
            "Graph" => Set::of(&[('!', '~')]),
            "Cntrl" => Set::of(&[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
            "L" => Set::class(Class::Letter),
            "N" => Set::class(Class::Number),
            "Z" => Set::class(Class::Separator),
            "C" => Set::class(Class::Control),
            "ASCII" => Set::of(&[('\0', '\u{7f}')]),
            _ => return Err(NotUsable::NotRunYet("this property")),
        })
    }

    /// Reads `[…]` after its opening bracket.
    fn class(&mut self) -> Result<Set, NotUsable> {
        let negated = self.take("^");
        let mut set = Set::default();
        let mut first = true;
        loop {
            if self.rest.starts_with("&&") || self.rest.starts_with('[') {
                return Err(NotUsable::NotRunYet("a class inside a class"));
            }
            let next = self.next()?;
            if next == ']' && !first {
                break;
            }
            first = false;
            let low = if next == '\\' { self.escaped_set()? } else { Set::one(next) };
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            let low_character = match low.ranges[..] {
                [(low, last)] if low == last && is_range => low,
                _ => {
                    set.add(low)?;
                    continue;
                }
            };
            self.next()?;
            let high = match self.next()? {
                '\\' => self.escaped_set()?,
                '[' => return Err(NotUsable::NotRunYet("a class inside a class")),
                other => Set::one(other),
            };
            match high.ranges[..] {
                [(high, last)] if high == last && low_character <= high => {
                    set.ranges.push((low_character, high));
                }
                _ => return Err(NotUsable::Invalid),
            }
        }
        Ok(if negated { set.negate() } else { set })
    }
}

fn digits() -> Set {
    Set::of(&[('0', '9')])
}

fn word() -> Set {
    Set::of(&[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')])
}

fn space() -> Set {
    Set::of(&[(' ', ' '), ('\t', '\r')])
}

fn line_breaks() -> Set {
    Set::of(&[('\n', '\n'), ('\r', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')])
}

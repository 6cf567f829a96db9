//! The text of a table → operations, members and shapes.
//!
//! A line of an operation's member reads: its place (`?` query, `^` header, `*` the whole body,
//! nothing: path or JSON body), its name, `=` its name on the wire where that differs, `!` if it is
//! required, and its shape.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use crate::regexp::WholeMatch;

/// The operations of a service.
#[derive(Debug)]
pub(crate) struct ServiceModel {
    operations: BTreeMap<&'static str, Operation>,
    shapes: Vec<Shape>,
}

/// What a model says of one operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) uri: &'static str,
    pub(crate) status: u16,
    pub(crate) members: Vec<Member>,
    /// The exceptions that it declares.
    pub(crate) raises: Vec<&'static str>,
}

/// A member of an input or of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) on_the_wire: &'static str,
    pub(crate) place: Place,
    pub(super) required: bool,
    pub(super) shape: usize,
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Query,
    Header,
    /// It is the whole body.
    Payload,
    /// In the path if the URI has a label of its name, else in the JSON body.
    Body,
}

/// What a value must be.
#[derive(Debug)]
pub(super) enum Shape {
    Structure(Vec<Member>),
    List {
        bounds: Bounds,
        member: usize,
    },
    Map {
        bounds: Bounds,
        key: usize,
        value: usize,
    },
    Text(Text),
    Enum(Vec<&'static str>),
    Number(Bounds),
    Boolean,
    /// Timestamps and blobs, which have several forms.
    Any,
}

/// From which length or value to which; both ends belong to it.
pub(super) type Bounds = RangeInclusive<i64>;

/// What a text must be.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) length: Bounds,
    pub(super) pattern: Option<&'static str>,
    compiled: OnceLock<Option<WholeMatch>>,
}

impl Text {
    /// Whether the pattern, if there is one, fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        let Some(pattern) = self.pattern else { return true };
        // An expression that looks around is not understood here: Lambda's room checks by itself.
        let compiled = self.compiled.get_or_init(|| WholeMatch::compile(pattern).ok());
        compiled.as_ref().is_none_or(|compiled| compiled.fits(text))
    }
}

impl ServiceModel {
    /// What the model says of the operation `name`.
    pub(crate) fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// Every operation, by name.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.operations.keys().copied()
    }

    pub(super) fn shape(&self, member: &Member) -> &Shape {
        self.shape_at(member.shape)
    }

    pub(super) fn shape_at(&self, index: usize) -> &Shape {
        // INVARIANT: `Reader` hands out indices of shapes only, and each is read in the end.
        &self.shapes[index]
    }

    /// Whether the member is a whole number.
    pub(crate) fn is_number(&self, member: &Member) -> bool {
        matches!(self.shape(member), Shape::Number(_))
    }

    /// Whether the member is yes or no.
    pub(crate) fn is_boolean(&self, member: &Member) -> bool {
        matches!(self.shape(member), Shape::Boolean)
    }

    /// Reads a table.
    pub(super) fn parse(text: &'static str) -> Self {
        let mut reader = Reader::default();
        let mut operations = BTreeMap::new();
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut next = lines.next();
        while let Some(head) = next {
            let mut below = Vec::new();
            next = lines.next();
            while let Some(line) = next.and_then(|line| line.strip_prefix("  ")) {
                below.push(line);
                next = lines.next();
            }
            match head.split_once(' ') {
                Some(("operation", rest)) => {
                    let (name, operation) = reader.operation(rest, &below);
                    operations.insert(name, operation);
                }
                Some((kind, rest)) => reader.shape(kind, rest, &below),
                None => {}
            }
        }
        let shapes = reader.shapes.into_iter().map(|shape| shape.unwrap_or(Shape::Any)).collect();
        Self { operations, shapes }
    }
}

/// What has been read of a table, with places kept for shapes that stand further below.
#[derive(Default)]
struct Reader {
    places: BTreeMap<&'static str, usize>,
    shapes: Vec<Option<Shape>>,
}

impl Reader {
    fn place(&mut self, name: &'static str) -> usize {
        let next = self.shapes.len();
        let index = *self.places.entry(name).or_insert(next);
        if index == next {
            self.shapes.push(plain(name));
        }
        index
    }

    fn operation(
        &mut self,
        head: &'static str,
        below: &[&'static str],
    ) -> (&'static str, Operation) {
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (name, method, uri) = (word(), word(), word());
        let status = word().parse().unwrap_or(200);
        let mut operation =
            Operation { method, uri, status, members: Vec::new(), raises: Vec::new() };
        for line in below {
            match line.strip_prefix("raises") {
                Some(raises) => operation.raises = raises.split_whitespace().collect(),
                None => operation.members.push(self.member(line)),
            }
        }
        (name, operation)
    }

    fn member(&mut self, line: &'static str) -> Member {
        let (name, shape) = line.split_once(' ').unwrap_or((line, "string"));
        let (place, name) = match name.split_at(1) {
            ("?", name) => (Place::Query, name),
            ("^", name) => (Place::Header, name),
            ("*", name) => (Place::Payload, name),
            _ => (Place::Body, name),
        };
        let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let (name, on_the_wire) = name.split_once('=').unwrap_or((name, name));
        Member { name, on_the_wire, place, required, shape: self.place(shape) }
    }

    fn shape(&mut self, kind: &str, head: &'static str, below: &[&'static str]) {
        let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
        let (bounds, of) = rest.split_once(' ').unwrap_or((rest, ""));
        let shape = match kind {
            "structure" => Shape::Structure(below.iter().map(|line| self.member(line)).collect()),
            "list" => Shape::List { bounds: range(bounds), member: self.place(of) },
            "map" => {
                let (key, value) = of.split_once(' ').unwrap_or((of, "string"));
                let (key, value) = (self.place(key), self.place(value));
                Shape::Map { bounds: range(bounds), key, value }
            }
            "enum" => Shape::Enum(rest.split(' ').collect()),
            "string" => {
                let pattern = Some(of).filter(|pattern| !pattern.is_empty());
                Shape::Text(Text { length: range(bounds), pattern, compiled: OnceLock::new() })
            }
            "integer" | "long" => Shape::Number(range(bounds)),
            _ => Shape::Any,
        };
        let index = self.place(name);
        self.shapes[index] = Some(shape);
    }
}

/// A type that nothing constrains.
fn plain(name: &str) -> Option<Shape> {
    let (length, pattern) = (range(".."), None);
    match name {
        "string" => Some(Shape::Text(Text { length, pattern, compiled: OnceLock::new() })),
        "integer" | "long" => Some(Shape::Number(range(".."))),
        "boolean" => Some(Shape::Boolean),
        "timestamp" | "blob" | "float" | "double" => Some(Shape::Any),
        _ => None,
    }
}

/// `least..most`, either of which may be missing.
fn range(text: &str) -> Bounds {
    let (least, most) = text.split_once("..").unwrap_or_default();
    least.parse().unwrap_or(i64::MIN)..=most.parse().unwrap_or(i64::MAX)
}

//! The text of a table → operations, members and shapes, each read when it is first asked for: a
//! process that makes three calls needs a hundredth of a table.
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
    operations: BTreeMap<&'static str, Block<Operation>>,
    shapes: Vec<Block<Shape>>,
    /// Where in `shapes` a name is.
    places: BTreeMap<&'static str, usize>,
}

/// A part of the table: its first line, what is indented below, and what both say.
#[derive(Debug)]
struct Block<T> {
    head: &'static str,
    below: &'static str,
    read: OnceLock<T>,
}

impl<T> Block<T> {
    const fn new(head: &'static str, below: &'static str) -> Self {
        Self { head, below, read: OnceLock::new() }
    }

    fn lines(&self) -> impl Iterator<Item = &'static str> + use<T> {
        self.below.lines().map(str::trim_start)
    }
}

/// The types that nothing constrains. What has no block is one of these, or [`ANYTHING`].
const PLAIN: [&str; 8] =
    ["timestamp", "blob", "float", "double", "boolean", "integer", "long", "string"];
/// The place of the first of them, for which any value will do.
const ANYTHING: usize = 0;

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
        let block = self.operations.get(name)?;
        Some(block.read.get_or_init(|| self.read_operation(block)))
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
        // INVARIANT: `place` hands out indices of blocks only.
        let block = &self.shapes[index];
        block.read.get_or_init(|| self.read_shape(block))
    }

    /// Whether the member is a whole number.
    pub(crate) fn is_number(&self, member: &Member) -> bool {
        matches!(self.shape(member), Shape::Number(_))
    }

    /// Whether the member is yes or no.
    pub(crate) fn is_boolean(&self, member: &Member) -> bool {
        matches!(self.shape(member), Shape::Boolean)
    }

    /// Takes a table apart into its blocks.
    pub(super) fn new(text: &'static str) -> Self {
        let mut model =
            Self { operations: BTreeMap::new(), shapes: Vec::new(), places: BTreeMap::new() };
        for name in PLAIN {
            model.places.insert(name, model.shapes.len());
            model.shapes.push(Block::new(name, ""));
        }
        let mut rest = text;
        while let Some((head, behind)) = rest.split_once('\n') {
            let below = behind.split_inclusive('\n').take_while(|line| line.starts_with("  "));
            let (below, next) = behind.split_at(below.map(str::len).sum());
            rest = next;
            let mut words = head.split(' ');
            match (words.next(), words.next()) {
                (Some("operation"), Some(name)) => {
                    model.operations.insert(name, Block::new(head, below));
                }
                (Some("#"), _) | (_, None) => {}
                (_, Some(name)) => {
                    model.places.insert(name, model.shapes.len());
                    model.shapes.push(Block::new(head, below));
                }
            }
        }
        model
    }

    fn place(&self, name: &str) -> usize {
        self.places.get(name).copied().unwrap_or(ANYTHING)
    }

    fn read_operation(&self, block: &Block<Operation>) -> Operation {
        let mut words = block.head.split(' ').skip(2);
        let mut word = || words.next().unwrap_or_default();
        let (method, uri) = (word(), word());
        let status = word().parse().unwrap_or(200);
        let mut operation =
            Operation { method, uri, status, members: Vec::new(), raises: Vec::new() };
        for line in block.lines() {
            match line.strip_prefix("raises ") {
                Some(raises) => operation.raises = raises.split(' ').collect(),
                None => operation.members.push(self.member(line)),
            }
        }
        operation
    }

    fn member(&self, line: &'static str) -> Member {
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

    fn read_shape(&self, block: &Block<Shape>) -> Shape {
        let mut words = block.head.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (kind, _name, rest) = (word(), word(), word());
        let (bounds, of) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "structure" => Shape::Structure(block.lines().map(|line| self.member(line)).collect()),
            "list" => Shape::List { bounds: range(bounds), member: self.place(of) },
            "map" => {
                let (key, value) = of.split_once(' ').unwrap_or((of, "string"));
                Shape::Map { bounds: range(bounds), key: self.place(key), value: self.place(value) }
            }
            "enum" => Shape::Enum(rest.split(' ').collect()),
            "string" => {
                let pattern = Some(of).filter(|pattern| !pattern.is_empty());
                Shape::Text(Text { length: range(bounds), pattern, compiled: OnceLock::new() })
            }
            "integer" | "long" => Shape::Number(range(bounds)),
            "boolean" => Shape::Boolean,
            _ => Shape::Any,
        }
    }
}

/// `least..most`, either of which may be missing.
fn range(text: &str) -> Bounds {
    let (least, most) = text.split_once("..").unwrap_or_default();
    least.parse().unwrap_or(i64::MIN)..=most.parse().unwrap_or(i64::MAX)
}

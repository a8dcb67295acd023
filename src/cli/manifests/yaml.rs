//! Documents of YAML and JSON, as kubectl reads them; what kubectl and other readers would read
//! differently, or lose without a word, is refused.

mod tabs;

use super::{scalar, words};
use crate::text::quoted;
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ops::Range;

/// Most values that aliases may add to a document: a few lines can stand for billions.
const ALIASED_MAX: usize = 100_000;
/// Most bytes of text that they may add. An object of the API server has less than 2 MiB.
const ALIASED_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting of a document.
const DEPTH_MAX: usize = 100;

/// A document, with the line in which it begins, from 1.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) line: usize,
    /// Of a document that cannot be read: its apiVersion, kind and metadata, as far as they stand
    /// before the fault.
    pub(super) head: Map<String, Value>,
    /// The value; or what is wrong, and in which line.
    pub(super) content: Result<Value, Fault>,
}

/// What is wrong with a document.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Returns the documents. Empty ones are left out.
pub(super) fn documents(text: &str) -> Vec<Document> {
    if text.trim_start().starts_with('{')
        && let Some(documents) = json(text)
    {
        return documents;
    }
    chunks(text).filter_map(|(line, chunk)| document(line, chunk)).collect()
}

/// Splits a text where kubectl does: at lines that are `---`, alone or with a comment.
fn chunks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut first_line, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_separator = line.strip_prefix("---").is_some_and(|rest| {
            let rest = rest.trim();
            rest.is_empty() || rest.starts_with('#')
        });
        if is_separator {
            found.push((first_line, &text[start..at]));
            (start, first_line) = (at + line.len(), number + 2);
        }
        at += line.len();
    }
    found.push((first_line, &text[start..]));
    found.into_iter()
}

/// Reads one document. None if it is empty.
fn document(line: usize, text: &str) -> Option<Document> {
    let before = line - 1;
    let mut reader = Reader::new(text);
    let content = unreadable(text).and_then(|()| reader.document());
    // Before what the parser says about the tab, or reads in its own way.
    let tab = tabs::in_indentation(text, &reader.texts);
    let is_first = |tab: &usize| content.as_ref().err().is_none_or(|fault| *tab <= fault.line);
    let content = match tab.filter(is_first) {
        Some(line) => Err(Fault { line, message: "has a tab in its indentation; write blanks".into() }),
        None => content,
    };
    match content {
        Ok(None | Some(Value::Null)) => None,
        Ok(Some(value)) => Some(Document { line, head: Map::new(), content: Ok(value) }),
        Err(mut fault) => {
            fault.line += before;
            Some(Document { line, head: reader.head, content: Err(fault) })
        }
    }
}

/// Characters that goyaml refuses, or that are ends of lines in YAML 1.1 and not in 1.2.
fn unreadable(text: &str) -> Result<(), Fault> {
    let fine = |c: char| match c {
        '\t' | '\n' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        c => c >= '\u{a0}',
    };
    for (number, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(c) = line.chars().find(|c| !fine(*c)) {
            let message = format!(
                "has the character U+{:04X}; remove it, or write it as an escape in double quotes",
                c as u32
            );
            return Err(Fault { line: number + 1, message });
        }
    }
    Ok(())
}

/// A value that an alias can stand for.
struct Anchored {
    value: Value,
    /// Number of values in it.
    size: usize,
    /// Bytes of its texts and names.
    bytes: usize,
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    /// Number of sequences and mappings in brackets around the place that is read.
    flow: usize,
    /// Number of values read so far.
    size: usize,
    aliased: usize,
    /// Bytes of text that aliases added.
    aliased_bytes: usize,
    /// True if the last scalar spans several lines.
    is_long: bool,
    /// Ranges of texts in quotes and of text blocks.
    texts: Vec<Range<usize>>,
    /// The entries that say what object it is.
    head: Map<String, Value>,
}

type Read<T> = Result<T, Fault>;

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut options = Options::default();
        options.emit_anchor_events = true;
        let parser = Parser::new_from_str_with_options(text, options);
        let (anchors, texts, head) = (HashMap::new(), Vec::new(), Map::new());
        Self {
            text,
            parser,
            anchors,
            flow: 0,
            size: 0,
            aliased: 0,
            aliased_bytes: 0,
            is_long: false,
            texts,
            head,
        }
    }

    fn next(&mut self) -> Read<(Event<'a>, usize)> {
        let unexpected = || Fault { line: 1, message: "ends too early; complete it".into() };
        loop {
            return match self.parser.next() {
                Some(Ok((Event::Comment(..), _))) => continue,
                Some(Ok((Event::Anchor(_, name), span))) => match self.anchor(&name, &span) {
                    Ok(()) => continue,
                    Err(message) => Err(Fault { line: line(&span), message }),
                },
                Some(Ok((event, span))) => match self.other_readers(&event, &span) {
                    Ok(()) => Ok((event, line(&span))),
                    Err(message) => Err(Fault { line: line(&span), message }),
                },
                Some(Err(error)) => {
                    let line = error.marker().line();
                    Err(Fault { line, message: words::not_yaml(&error.info()) })
                }
                None => Err(unexpected()),
            };
        }
    }

    fn anchor(&self, name: &str, span: &Span) -> Result<(), String> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let rest = span.byte_range().and_then(|range| self.text.get(range.end..)).unwrap_or_default();
        if name.chars().all(fine)
            && rest.chars().next().is_none_or(|c| c.is_whitespace() || ",]}".contains(c))
        {
            return Ok(());
        }
        Err(format!("has an anchor {}; use letters, digits, - and _, and a blank behind it", quoted(name)))
    }

    /// Refuses forms that YAML 1.2 has and goyaml does not.
    fn other_readers(&mut self, event: &Event<'a>, span: &Span) -> Result<(), String> {
        match event {
            Event::SequenceStart(StructureStyle::Flow, ..)
            | Event::MappingStart(StructureStyle::Flow, ..) => {
                self.flow += 1;
            }
            // A block cannot stand in brackets, so the innermost end is theirs.
            Event::SequenceEnd | Event::MappingEnd => self.flow = self.flow.saturating_sub(1),
            _ => {}
        }
        let Event::Scalar(_, style, ..) = event else { return Ok(()) };
        let Some(range) = span.byte_range() else { return Ok(()) };
        if *style != ScalarStyle::Plain {
            self.texts.push(range.clone());
        }
        let (Some(written), rest) =
            (self.text.get(range.clone()), self.text.get(range.end..).unwrap_or_default())
        else {
            return Ok(());
        };
        self.is_long = written.contains('\n');
        if *style == ScalarStyle::DoubleQuoted {
            let mut chars = written.chars();
            while let Some(c) = chars.next() {
                if c == '\\' && chars.next() == Some('/') {
                    return Err("has the escape \\/, which kubectl does not read; write / alone".into());
                }
            }
        }
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && tabs::in_block(self.text, range.start)
        {
            return Err("has a tab in the indentation of a text block; write blanks".into());
        }
        let is_bracketed = *style == ScalarStyle::Plain && self.flow > 0;
        let close = rest.strip_prefix(':').is_some_and(|rest| !rest.starts_with(char::is_whitespace));
        if is_bracketed && (close || written.starts_with(':')) {
            return Err("has a colon without a blank behind it in brackets; add the blank, or write the text in quotes".into());
        }
        let blank = |text: &str| text.starts_with(char::is_whitespace);
        let mut marks = written.match_indices('?').map(|(at, mark)| &written[at + mark.len()..]);
        let splits = |after: &str| if after.is_empty() { blank(rest) } else { blank(after) };
        if is_bracketed && marks.any(splits) {
            return Err("has a question mark before a blank in brackets; write the text in quotes".into());
        }
        Ok(())
    }

    /// Reads the only document of the text. None if there is none.
    fn document(&mut self) -> Read<Option<Value>> {
        let mut found = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(found),
                (Event::DocumentStart(_, version), line) => {
                    if found.is_some() {
                        let message =
                            "has a second document that kubectl does not read; put --- on a line of its own"
                                .into();
                        return Err(Fault { line, message });
                    }
                    if version.is_some() {
                        let message = "has a directive; remove the line that begins with %".into();
                        return Err(Fault { line, message });
                    }
                    let (event, line) = self.next()?;
                    found = Some(self.value(event, line, 0)?);
                }
                _ => {}
            }
        }
    }

    /// Reads the value that begins with an event.
    fn value(&mut self, event: Event<'a>, line: usize, depth: usize) -> Read<Value> {
        let wrong = |message: &str| Fault { line, message: message.to_owned() };
        if depth > DEPTH_MAX {
            return Err(wrong("is nested too deeply; at most 100 levels are read"));
        }
        let before = self.size;
        self.size += 1;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), line)?, anchor),
            Event::SequenceStart(_, anchor, tag) => {
                untagged(tag.as_deref(), "seq", line)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.value(event, line, depth + 1)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                untagged(tag.as_deref(), "map", line)?;
                (Value::Object(self.mapping(depth)?), anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(wrong("is no YAML; correct it")),
        };
        if anchor != 0 {
            let (size, bytes) = (self.size - before, bytes(&value));
            self.anchors.insert(anchor, Anchored { value: value.clone(), size, bytes });
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Read<Value> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Fault {
                line,
                message: "has an alias to a value around it; write the value out".into(),
            });
        };
        self.size += anchored.size;
        self.aliased += anchored.size;
        self.aliased_bytes += anchored.bytes;
        if self.aliased > ALIASED_MAX || self.aliased_bytes > ALIASED_BYTES_MAX {
            let message = format!(
                "exceeds the budget of {ALIASED_MAX} values and {} MiB by aliases; write them out",
                ALIASED_BYTES_MAX >> 20
            );
            return Err(Fault { line, message });
        }
        Ok(anchored.value.clone())
    }

    fn mapping(&mut self, depth: usize) -> Read<Map<String, Value>> {
        let mut entries = Map::new();
        let mut merged = Map::new();
        loop {
            let (event, line) = self.next()?;
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let name = if is_merge { "<<".to_owned() } else { self.key(event, line)? };
            let (event, value_line) = self.next()?;
            let value = self.value(event, value_line, depth + 1)?;
            if depth == 0 && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
                self.head.insert(name.clone(), value.clone());
            }
            if is_merge {
                // goyaml lets a merge replace entries before it, and other readers do not.
                if !entries.is_empty() || !merged.is_empty() {
                    return Err(Fault { line, message: "<<: stands behind other entries, which not every reader takes alike; put it first, once".into() });
                }
                merged = merge(value, line)?;
            } else if entries.insert(name.clone(), value).is_some() {
                let remedy = if depth == 0 && ["apiVersion", "kind"].contains(&name.as_str()) {
                    "put --- between two objects, or remove one of the two"
                } else {
                    "remove one"
                };
                let message =
                    format!("{}: is given twice, and kubectl drops one of them; {remedy}", quoted(&name));
                return Err(Fault { line, message });
            }
        }
        for (name, value) in merged {
            entries.entry(name).or_insert(value);
        }
        Ok(entries)
    }

    /// Reads the name of an entry. One that kubectl would write differently is refused.
    fn key(&mut self, event: Event<'a>, line: usize) -> Read<String> {
        let written = match &event {
            Event::Scalar(text, ..) => text.to_string(),
            Event::Alias(_) => String::new(),
            _ => {
                let message = "has an entry whose name is not text; write a text, in quotes if it begins with a bracket \
                               or a brace (a template of Helm is rendered first, by helm template)";
                return Err(Fault { line, message: message.into() });
            }
        };
        let is_alias = matches!(event, Event::Alias(_));
        if self.is_long && !is_alias {
            let message = "has an entry whose name goes on over several lines; write the name on one";
            return Err(Fault { line, message: message.into() });
        }
        let value = self.value(event, line, 0)?;
        let read = match &value {
            Value::String(text) => return Ok(text.clone()),
            value => value.to_string(),
        };
        if read == written && !is_alias && !value.is_null() && !value.is_f64() {
            return Ok(read);
        }
        let message =
            format!("{written}: is read as {read}, which is no name; write {} in quotes", quoted(&written));
        Err(Fault { line, message })
    }
}

/// Returns the bytes of the texts and names in a value.
fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(entries) => entries.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
        _ => 0,
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Read<Value> {
    if tag.is_some_and(|tag| tag.core_suffix() == Some("str")) {
        return Ok(Value::String(text.to_owned()));
    }
    if let Some(tag) = tag {
        let message = format!("has the tag {}; write the value without it", quoted(&tag.original()));
        return Err(Fault { line, message });
    }
    if style != ScalarStyle::Plain {
        return Ok(Value::String(text.to_owned()));
    }
    scalar::plain(text).map_err(|message| Fault { line, message })
}

fn untagged(tag: Option<&Tag>, own: &str, line: usize) -> Read<()> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(own) => {
            let message = format!("has the tag {}; write the value without it", quoted(&tag.original()));
            Err(Fault { line, message })
        }
        _ => Ok(()),
    }
}

/// Returns the entries that a merge adds: of one mapping, or of several, of which the first wins.
fn merge(value: Value, line: usize) -> Read<Map<String, Value>> {
    let several = match value {
        Value::Array(several) => several,
        value => vec![value],
    };
    let mut merged = Map::new();
    for value in several {
        let Value::Object(entries) = value else {
            return Err(Fault { line, message: "<<: is no mapping; name an anchor of one".into() });
        };
        for (name, value) in entries {
            merged.entry(name).or_insert(value);
        }
    }
    Ok(merged)
}

/// Reads a stream of JSON documents. None if it is none.
fn json(text: &str) -> Option<Vec<Document>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<super::json::Once>();
    let mut found = Vec::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let start = stream.byte_offset();
        let start = start + (text[start..].len() - text[start..].trim_start().len());
        line += text[counted..start].matches('\n').count();
        counted = start;
        match stream.next() {
            None => return Some(found),
            Some(Ok(super::json::Once(Value::Null))) => {}
            Some(Ok(super::json::Once(value))) => {
                found.push(Document { line, head: Map::new(), content: Ok(value) })
            }
            // The rest is not read, as kubectl does not read it.
            Some(Err(error)) if error.is_data() => {
                let fault = Fault { line: error.line(), message: super::json::message(&error) };
                found.push(Document { line, head: Map::new(), content: Err(fault) });
                return Some(found);
            }
            Some(Err(_)) => return None,
        }
    }
}

#[cfg(test)]
mod tests;

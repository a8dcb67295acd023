//! Reads one Rust file with `syn`: which modules it declares, which paths and words its code uses, and which tests it has.
//! An item under `#[cfg(test)]` is not code: only its modules and tests are kept, apart from the rest.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, Token, UseTree};

/// What stands in one module: a file, or the braces of an inline `mod`.
#[derive(Debug, Default)]
pub struct Scope {
    /// The modules that it declares.
    pub modules: Vec<Module>,
    /// The names that `use` brings into it, each with its path as written.
    pub names: BTreeMap<String, Vec<String>>,
    /// Every path of at least two segments, as written.
    pub paths: Vec<Found<Vec<String>>>,
    /// Every identifier of the code.
    pub words: Vec<Found<String>>,
    /// Every test function.
    pub tests: Vec<Test>,
}

/// A declared module.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// True under `#[cfg(test)]`.
    pub is_test: bool,
    /// The value of `#[path]`.
    pub path: Option<String>,
    /// Its content, if that stands in the same file.
    pub inline: Option<Scope>,
}

/// Something with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// What was found.
    pub what: T,
    /// The line, from 1.
    pub line: usize,
}

/// A test function, also one inside `proptest!`.
#[derive(Debug)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// True if it runs only when asked for.
    pub is_ignored: bool,
    /// Its source: doc comment, attributes, signature and body.
    pub text: String,
}

impl Scope {
    /// Reads a file.
    ///
    /// # Panics
    /// If the text is not Rust, or `#[cfg(test)]` stands where this reader does not look for it.
    pub fn read(text: &str) -> Self {
        let file = syn::parse_file(text)
            .unwrap_or_else(|error| panic!("line {}: {error}", error.span().start().line));
        Self::of(text, &file.items)
    }

    fn of(text: &str, items: &[syn::Item]) -> Self {
        let mut reader = Reader { text, scope: Self::default(), blocks: 0 };
        items.iter().for_each(|item| reader.visit_item(item));
        reader.scope
    }
}

struct Reader<'a> {
    text: &'a str,
    scope: Scope,
    /// How many blocks are open here: a `use` in a function names nothing for the module.
    blocks: usize,
}

/// The attributes before a function in the body of a macro.
#[derive(Default)]
struct Attributes {
    first: Option<usize>,
    is_test: bool,
}

impl Reader<'_> {
    fn word(&mut self, ident: &Ident) {
        self.scope.words.push(Found { what: ident.to_string(), line: line(ident.span()) });
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &[String]) {
        let with = |ident: &Ident| [prefix, &[ident.to_string()]].concat();
        let (path, name, span) = match tree {
            UseTree::Path(path) => return self.use_tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.use_tree(tree, prefix)),
            UseTree::Name(name) if name.ident == "self" => {
                (prefix.to_vec(), prefix.last().cloned(), name.ident.span())
            }
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string()), name.ident.span()),
            UseTree::Rename(rename) if rename.ident == "self" => {
                (prefix.to_vec(), Some(rename.rename.to_string()), rename.ident.span())
            }
            UseTree::Rename(rename) => {
                (with(&rename.ident), Some(rename.rename.to_string()), rename.ident.span())
            }
            UseTree::Glob(glob) => ([prefix, &["*".into()]].concat(), None, glob.star_token.spans[0]),
        };
        if let Some(name) = name
            && self.blocks == 0
        {
            self.scope.names.insert(name, path.clone());
        }
        self.scope.paths.push(Found { what: path, line: line(span) });
    }

    /// Reads the body of a macro, which `syn` leaves as tokens: `proptest!` has tests, `select!` has code.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is = |position: usize, sign: char| matches!(tokens.get(position), Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
        let mut attributes = Attributes::default();
        let mut position = 0;
        while position < tokens.len() {
            match &tokens[position] {
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    self.word(first);
                    while let (true, true, Some(TokenTree::Ident(next))) =
                        (is(position + 1, ':'), is(position + 2, ':'), tokens.get(position + 3))
                    {
                        path.push(next.to_string());
                        self.word(next);
                        position += 3;
                    }
                    if let (true, Some(TokenTree::Ident(name))) = (first == "fn", tokens.get(position + 1)) {
                        let body = tokens[position..].iter().find_map(|token| match token {
                            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                            _ => None,
                        });
                        let attributes = std::mem::take(&mut attributes);
                        if let (true, Some(first), Some(body)) = (attributes.is_test, attributes.first, body)
                        {
                            self.test(name.to_string(), first, body.span_close().end().line);
                        }
                    }
                    if path.len() > 1 {
                        self.scope.paths.push(Found { what: path, line: line(first.span()) });
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    attributes.first.get_or_insert(line(punct.span()));
                }
                TokenTree::Group(group) => {
                    if position > 0 && is(position - 1, '#') {
                        attributes.is_test |= group.stream().to_string() == "test";
                    }
                    self.tokens(group.stream());
                }
                _ => {}
            }
            position += 1;
        }
    }

    fn test(&mut self, name: String, first: usize, last: usize) {
        let text: Vec<_> = self.text.lines().skip(first - 1).take(last + 1 - first).collect();
        let text = text.join("\n");
        self.scope.tests.push(Test { name, is_ignored: text.contains("#[ignore"), text });
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

/// True if one of the attributes leaves the item out of everything but a test build.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition: Meta = attribute.parse_args().expect("a condition in cfg()");
        needs_test(&condition)
    })
}

/// True if the condition can hold in a test build alone.
fn needs_test(condition: &Meta) -> bool {
    let parts = || match condition {
        Meta::List(list) => {
            list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).expect("conditions")
        }
        _ => Punctuated::new(),
    };
    match condition {
        _ if condition.path().is_ident("test") => true,
        _ if condition.path().is_ident("all") => parts().iter().any(needs_test),
        _ if condition.path().is_ident("any") => parts().iter().all(needs_test),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let syn::Item::Mod(module) = item {
            let text = self.text;
            let inline = module.content.as_ref().map(|(_, items)| Scope::of(text, items));
            let path = module.attrs.iter().find(|a| a.path().is_ident("path")).map(|a| match &a.meta {
                Meta::NameValue(syn::MetaNameValue {
                    value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }),
                    ..
                }) => path.value(),
                _ => panic!("line {}: #[path] without a string", line(module.ident.span())),
            });
            let is_test = is_for_tests(&module.attrs);
            self.scope.modules.push(Module { name: module.ident.to_string(), is_test, path, inline });
        } else if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let is_test = |a: &Attribute| a.path().segments.last().is_some_and(|last| last.ident == "test");
        if function.attrs.iter().any(is_test) {
            let first = function.attrs.first().map(|a| line(a.pound_token.spans[0]));
            let last = function.block.brace_token.span.close().end().line;
            self.test(function.sig.ident.to_string(), first.unwrap_or(last), last);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.visit_use_tree(&item.tree); // for the words
        if item.leading_colon.is_none() {
            self.use_tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.scope.paths.push(Found { what: segments, line: line(path.segments[0].ident.span()) });
        }
        visit::visit_path(self, path);
    }

    /// `pub(super)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.word(ident);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        visit::visit_macro(self, invocation);
        self.tokens(invocation.tokens.clone());
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    /// Whoever reaches this did not look at the condition.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        assert!(
            !is_for_tests(std::slice::from_ref(attribute)),
            "line {}: tests/structure does not look for #[cfg(test)] here",
            line(attribute.pound_token.spans[0])
        );
        visit::visit_attribute(self, attribute);
    }
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

//! Writes mutants into a source file, each behind a switch.
//!
//! What a mutant changes is wrapped: `(if crate::mutant(7) { MUTATED } else { ORIGINAL })`, where the mutated branch holds the
//! file's own text, and only the original branch holds further mutants: one is on at a time.

use crate::{Mutant, Place};
use proc_macro2::{LineColumn, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A file with its mutants in it.
pub struct Switched {
    pub text: String,
    /// Bytes of `text` that belong to the wrapper of these mutants.
    pub wrappers: Vec<(Range<usize>, Vec<usize>)>,
    /// Mutants of this file for which there is no place.
    pub left_out: Vec<usize>,
}

/// Writes the mutants of `file`, but for those in `without`. A mutant's number is its place in the list.
pub fn switched(
    file: &str,
    text: &str,
    mutants: &[Mutant],
    without: &BTreeSet<usize>,
) -> Result<Switched, Box<dyn Error>> {
    let here = mutants.iter().enumerate();
    let here = here.filter(|(number, m)| m.file == file && !without.contains(number));
    let mut wanted = BTreeMap::<Place, Vec<usize>>::new();
    for (number, mutant) in here {
        wanted.entry(mutant.span.start).or_default().push(number);
    }
    let parsed = syn::parse_file(text)?;
    let mut writer = Writer {
        text,
        lines: line_starts(text),
        mutants,
        wanted,
        wraps: Vec::new(),
    };
    writer.visit_file(&parsed);
    let left_out = writer.wanted.into_values().flatten().collect();
    let (text, wrappers) = apply(text, writer.wraps);
    Ok(Switched {
        text,
        wrappers,
        left_out,
    })
}

/// Texts put before and after a part of the file.
struct Wrap {
    range: Range<usize>,
    /// Among wraps of the same range, the lower one is the outer one.
    rank: u8,
    before: String,
    after: String,
    numbers: Vec<usize>,
}

struct Writer<'a> {
    text: &'a str,
    lines: Vec<usize>,
    mutants: &'a [Mutant],
    /// Mutants not placed yet.
    wanted: BTreeMap<Place, Vec<usize>>,
    wraps: Vec<Wrap>,
}

impl Writer<'_> {
    fn take(&mut self, at: Span, genre: &str) -> Vec<usize> {
        let place = place(at.start());
        let Some(numbers) = self.wanted.get_mut(&place) else {
            return Vec::new();
        };
        let (taken, left) = numbers
            .iter()
            .partition(|n| self.mutants[**n].genre == genre);
        *numbers = left;
        taken
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.offset(span.start())..self.offset(span.end())
    }

    fn offset(&self, at: LineColumn) -> usize {
        let line = self.lines[at.line - 1];
        let rest = &self.text[line..];
        line + rest
            .char_indices()
            .nth(at.column)
            .map_or(rest.len(), |(offset, _)| offset)
    }

    /// Wraps an expression whose mutated forms `mutated` spells.
    fn choose(
        &mut self,
        range: Range<usize>,
        numbers: Vec<usize>,
        mutated: impl Fn(&str) -> String,
    ) {
        if numbers.is_empty() {
            return;
        }
        let mut before = "(".to_owned();
        for number in &numbers {
            let text = mutated(&self.mutants[*number].replacement);
            before += &format!("if crate::mutant({number}) {{ {text} }} else ");
        }
        before += "{ ";
        let after = " })".to_owned();
        self.wraps.push(Wrap {
            range,
            rank: 1,
            before,
            after,
            numbers,
        });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let Some(first) = block.stmts.first() else {
            return;
        };
        // Two values of one `impl Trait` have two types.
        if self.text[self.range(signature.output.span())].contains("impl ") {
            return;
        }
        let mut before = String::new();
        let numbers = self.take(first.span(), "FnValue");
        for number in &numbers {
            let value = &self.mutants[*number].replacement;
            before += &format!("if crate::mutant({number}) {{ return {value}; }} ");
        }
        let open = self.range(block.brace_token.span.open()).end;
        self.wraps.push(Wrap {
            range: open..open,
            rank: 0,
            before,
            after: String::new(),
            numbers,
        });
    }
}

impl<'ast> Visit<'ast> for Writer<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        // A `let` is bound for what follows in its chain: it cannot move into a branch.
        if !holds_let(&binary.left) && !holds_let(&binary.right) {
            let numbers = self.take(binary.op.span(), "BinaryOperator");
            let left = &self.text[self.range(binary.left.span())];
            let right = &self.text[self.range(binary.right.span())];
            let (left, right) = (left.to_owned(), right.to_owned());
            self.choose(self.range(binary.span()), numbers, |op| {
                format!("{left} {op} {right}")
            });
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let numbers = self.take(unary.op.span(), "UnaryOperator");
        let operand = self.text[self.range(unary.expr.span())].to_owned();
        self.choose(self.range(unary.span()), numbers, |op| {
            format!("{op}{operand}")
        });
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted = self.take(arm.span(), "MatchArm");
        let off: String = deleted
            .iter()
            .map(|n| format!("!crate::mutant({n}) && "))
            .collect();
        match &arm.guard {
            Some((_, guard)) => {
                let range = self.range(guard.span());
                let numbers = self.take(guard.span(), "MatchArmGuard");
                self.choose(range.clone(), numbers, str::to_owned);
                if !deleted.is_empty() {
                    self.wraps.push(Wrap {
                        range,
                        rank: 0,
                        before: format!("{off}("),
                        after: ")".to_owned(),
                        numbers: deleted,
                    });
                }
            }
            None if !deleted.is_empty() => {
                let end = self.range(arm.pat.span()).end;
                self.wraps.push(Wrap {
                    range: end..end,
                    rank: 0,
                    before: format!(" if {}", off.trim_end_matches(" && ")),
                    after: String::new(),
                    numbers: deleted,
                });
            }
            None => {}
        }
        visit::visit_arm(self, arm);
    }
}

/// The text with all wraps, and where each came to lie.
fn apply(text: &str, wraps: Vec<Wrap>) -> (String, Vec<(Range<usize>, Vec<usize>)>) {
    // At one place: what ends comes before what begins; the inner one ends first, the outer one begins first.
    let mut edits = Vec::new();
    for (index, wrap) in wraps.iter().enumerate() {
        let length = wrap.range.len() as i64;
        let rank = i64::from(wrap.rank);
        edits.push(((wrap.range.start, 1, -length, rank), index, true));
        edits.push((
            (wrap.range.end, i64::from(length == 0) * 2, length, -rank),
            index,
            false,
        ));
    }
    edits.sort_unstable();
    let (mut out, mut copied) = (String::new(), 0);
    let mut starts = vec![0; wraps.len()];
    let mut placed = Vec::new();
    for ((at, ..), index, begins) in edits {
        out += &text[copied..at];
        copied = at;
        if begins {
            starts[index] = out.len();
            out += &wraps[index].before;
        } else {
            out += &wraps[index].after;
            placed.push((starts[index]..out.len(), wraps[index].numbers.clone()));
        }
    }
    out += &text[copied..];
    (out, placed)
}

fn holds_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => holds_let(&binary.left) || holds_let(&binary.right),
        _ => false,
    }
}

fn place(at: LineColumn) -> Place {
    Place {
        line: at.line,
        column: at.column + 1,
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

//! Which entries and checkpoints of which generations an export holds.

use super::{ExportError, ExportRequest, ExportSpan};
use crate::actions::chain::Latest;
use crate::actions::open_shop::Shop;
use crate::actions::witness::with_cosignatures;
use crate::domain::EntryAt;
use crate::ledger::entry::Entry;
use crate::ledger::export::{Form, Part};
use crate::store::{Fault, Rows, Snapshot};

/// A generation's part of an export, with what is needed to write it.
pub(super) struct Piece {
    pub(super) generation: u16,
    pub(super) origin: String,
    pub(super) form: Form,
    /// Size of the last checkpoint.
    pub(super) end: u64,
    /// The last checkpoint, where the store keeps none of that size.
    pub(super) newest: String,
    /// Sizes of the checkpoints, ascending; the last is `end`.
    pub(super) marks: Vec<u64>,
    /// Sizes of those that something anchors outside.
    pub(super) anchored: Vec<u64>,
}

impl Piece {
    /// Seq of the first entry shown, and size of the prefix.
    pub(super) const fn first(&self) -> u64 {
        match self.form {
            Form::Whole | Form::Skeleton => 0,
            Form::From(first) => first,
        }
    }

    pub(super) fn part(&self) -> Part {
        Part {
            generation: usize::from(self.generation),
            origin: self.origin.clone(),
            form: self.form,
            end: self.end,
            marks: self.marks.len(),
            is_anchored: !self.anchored.is_empty(),
        }
    }
}

/// Of a generation, the seq of the first entry and the size behind the last one that are asked for.
struct Wanted {
    generation: u16,
    first: u64,
    size: u64,
}

/// Checkpoints of one look into their table.
const ROWS: usize = 256;
/// Anchors of one look: they are larger.
const ANCHORS: usize = 32;

impl Shop {
    pub(super) fn plan_export(&self, request: &ExportRequest) -> Result<Vec<Piece>, ExportError> {
        let newest = self.chain.latest().generation;
        let (rows, latest) = self.signed_state(EntryAt::new(newest, 0))?;
        let latest = with_cosignatures(&rows, latest)?;
        let states = States { rows, latest };
        if let Some(asked) = request.generation.filter(|asked| *asked > newest) {
            return Err(ExportError::Generation { asked, newest });
        }
        let (is_part, wanted) = match request.span {
            ExportSpan::Whole => states.wholes(request.generation)?,
            ExportSpan::Seqs { from, to } => (
                true,
                vec![states.seqs(request.generation.unwrap_or(newest), from, to)?],
            ),
            ExportSpan::Times { since_ms, until_ms } => {
                let since_ms = since_ms.unwrap_or(i64::MIN);
                let until_ms = until_ms.unwrap_or(i64::MAX);
                (true, states.times(request.generation, since_ms, until_ms)?)
            }
        };
        match (request.skeleton, is_part) {
            (true, true) => Err(ExportError::Skeleton),
            (is_skeleton, _) => states.pieces(&wanted, is_skeleton),
        }
    }
}

/// The signed states of all generations, in one snapshot.
struct States {
    rows: Snapshot,
    /// Of the newest one.
    latest: Latest,
}

impl States {
    /// The last signed state of a generation.
    fn last(&self, generation: u16) -> Result<Latest, Fault> {
        match generation == self.latest.generation {
            true => Ok(self.latest.clone()),
            false => crate::actions::chain::closing(&self.rows, generation),
        }
    }

    /// Every generation, or all of one.
    fn wholes(&self, only: Option<u16>) -> Result<(bool, Vec<Wanted>), Fault> {
        let all = 0..=self.latest.generation;
        let wanted = all
            .filter(|generation| only.is_none_or(|only| only == *generation))
            .map(|generation| self.whole(generation))
            .collect::<Result<_, _>>()?;
        Ok((only.is_some(), wanted))
    }

    fn whole(&self, generation: u16) -> Result<Wanted, Fault> {
        let size = self.last(generation)?.size;
        Ok(Wanted {
            generation,
            first: 0,
            size,
        })
    }

    fn seqs(
        &self,
        generation: u16,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<Wanted, ExportError> {
        let size = self.last(generation)?.size;
        let (first, last) = (from.unwrap_or(0), to.unwrap_or(size.saturating_sub(1)));
        if let Some(seq) = [from, to].into_iter().flatten().find(|seq| *seq >= size) {
            return Err(ExportError::Beyond {
                seq,
                generation,
                size,
            });
        }
        if first > last {
            return Err(ExportError::Order {
                from: first,
                to: last,
            });
        }
        Ok(Wanted {
            generation,
            first,
            size: last + 1,
        })
    }

    /// The generations that hold entries of that time, without a gap: of those between all.
    fn times(
        &self,
        only: Option<u16>,
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Wanted>, ExportError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let (begin, end) = only.map_or((0, self.latest.generation), |only| (only, only));
        for generation in begin..=end {
            let whole = self.whole(generation)?;
            let first = self.first_at(&whole, |t_ms| t_ms >= since_ms)?;
            let size = self.first_at(&whole, |t_ms| t_ms > until_ms)?;
            if first >= size {
                continue;
            }
            if let Some(earlier) = wanted.last_mut() {
                earlier.size = self.last(earlier.generation)?.size;
            }
            let next = wanted.last().map_or(generation, |last| last.generation + 1);
            for between in next..generation {
                wanted.push(self.whole(between)?);
            }
            let first = if wanted.is_empty() { first } else { 0 };
            wanted.push(Wanted {
                generation,
                first,
                size,
            });
        }
        if wanted.is_empty() {
            let last = self.last(end)?.size.saturating_sub(1);
            return Err(ExportError::Empty {
                first_ms: self.t_ms(EntryAt::new(begin, 0))?,
                last_ms: self.t_ms(EntryAt::new(end, last))?,
            });
        }
        Ok(wanted)
    }

    /// The first seq whose time is so, else the size: times do not decrease.
    fn first_at(&self, whole: &Wanted, is_so: impl Fn(i64) -> bool) -> Result<u64, Fault> {
        let (mut low, mut high) = (0, whole.size);
        while low < high {
            let middle = low + (high - low) / 2;
            match is_so(self.t_ms(EntryAt::new(whole.generation, middle))?) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(low)
    }

    fn t_ms(&self, at: EntryAt) -> Result<i64, Fault> {
        let row = line_at(&self.rows, at)?;
        Entry::parse(&row)
            .map(|entry| entry.t_ms)
            .map_err(|_| Fault::Invariant("a stored line is an entry"))
    }

    /// What is wanted as pieces: before it where earlier generations stand, behind it nothing.
    fn pieces(&self, wanted: &[Wanted], is_skeleton: bool) -> Result<Vec<Piece>, ExportError> {
        let begin = wanted.first().map_or(0, |wanted| wanted.generation);
        let mut pieces = Vec::new();
        for generation in 0..begin {
            let size = self.last(generation)?.size;
            pieces.push(self.piece(generation, Form::From(size), size)?);
        }
        for wanted in wanted {
            let form = match (is_skeleton, wanted.first) {
                (true, _) => Form::Skeleton,
                (false, 0) => Form::Whole,
                (false, first) => Form::From(first),
            };
            pieces.push(self.piece(wanted.generation, form, wanted.size)?);
        }
        Ok(pieces)
    }

    /// Ends at the first signed size that covers `size`.
    fn piece(&self, generation: u16, form: Form, size: u64) -> Result<Piece, Fault> {
        let last = self.last(generation)?;
        let at = |size| EntryAt::new(generation, size);
        let covering = self.rows.marks(at(size.saturating_sub(1)), 1)?;
        let covering = covering.first().map_or(last.size, |(size, _)| *size);
        let end = covering.min(last.size);
        let above = match form {
            Form::Whole | Form::Skeleton => 0,
            Form::From(first) if first == end => first.saturating_sub(1),
            Form::From(first) => first,
        };
        let mut marks = Vec::new();
        self.sizes_of_marks(at(above), end, &mut marks)?;
        if marks.last() != Some(&end) {
            marks.push(end);
        }
        let anchored = self.anchored(at(above), &marks)?;
        let row = self.rows.generation(generation)?;
        let row = row.ok_or(Fault::Invariant("a generation has its row"))?;
        Ok(Piece {
            generation,
            origin: row.origin,
            form,
            end,
            newest: last.note,
            marks,
            anchored,
        })
    }

    fn sizes_of_marks(&self, above: EntryAt, end: u64, marks: &mut Vec<u64>) -> Result<(), Fault> {
        let mut after = above;
        loop {
            let page = self.rows.marks(after, ROWS)?;
            let full = page.len() == ROWS;
            for (size, _) in page {
                if size > end {
                    return Ok(());
                }
                marks.push(size);
                after = above.with_seq(size);
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Those of `marks` that have anchors. One that came after this snapshot's marks is not among them.
    fn anchored(&self, above: EntryAt, marks: &[u64]) -> Result<Vec<u64>, Fault> {
        let (mut after, mut sizes) = (above, Vec::new());
        loop {
            let page = self.rows.anchors(after, ANCHORS)?;
            let full = page.len() == ANCHORS;
            for (size, ..) in page {
                if sizes.last() != Some(&size) && marks.binary_search(&size).is_ok() {
                    sizes.push(size);
                }
                after = above.with_seq(size);
            }
            if !full {
                return Ok(sizes);
            }
        }
    }
}

/// The line of an entry that is there.
pub(super) fn line_at(rows: &impl Rows, at: EntryAt) -> Result<Vec<u8>, Fault> {
    let row = rows.entry(at)?;
    row.map(|row| row.line)
        .ok_or(Fault::Invariant("every entry below the size is there"))
}

//! The modules of short codes, such as links: the same ones that fast_qr chooses, some ten times as fast.
//!
//! fast_qr draws the fixed patterns, once for each version; here the text's own bits are laid into them. Each line of modules is
//! one word, so that all eight masks are weighed with a few operations on words (ISO/IEC 18004, sections 7.5 to 7.8). A test holds
//! every result against fast_qr's.

use std::sync::OnceLock;

use fast_qr::{ECL, Mask, ModuleType, QRBuilder, QRCode, Version};

/// Lines of modules, from the top; bit `x` of a line is its module in column `x`, set where it is dark. There are as many lines
/// as columns.
pub(super) type Lines = Vec<u64>;

/// The code of `text` at level Q. None where it is too long for the versions known here, or would be written in another mode than
/// bytes.
pub(super) fn lines(text: &str) -> Option<Lines> {
    // Digits and capitals alone take another mode.
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let at = BLOCKS
        .iter()
        .position(|blocks| text.len() + HEADER_BYTES <= blocks.data())?;
    let canvas = CANVASES[at].get_or_init(|| Canvas::of(at)).as_ref()?;
    Some(canvas.painted(&BLOCKS[at].codewords(text.as_bytes())))
}

/// The blocks of a version at level Q (table 9): how many, the bytes of text in the shorter ones, how many of them are one byte
/// longer, and the bytes of correction in each.
struct Blocks {
    shorter: usize,
    bytes: usize,
    longer: usize,
    correction: usize,
}

/// Versions 1 to 9: their lengths have one byte, and their lines with a margin fit one word.
static BLOCKS: [Blocks; 9] = [
    Blocks::new(1, 13, 0, 13),
    Blocks::new(1, 22, 0, 22),
    Blocks::new(2, 17, 0, 18),
    Blocks::new(2, 24, 0, 26),
    Blocks::new(2, 15, 2, 18),
    Blocks::new(4, 19, 0, 24),
    Blocks::new(2, 14, 4, 18),
    Blocks::new(4, 18, 2, 22),
    Blocks::new(4, 16, 4, 20),
];
const VERSIONS: [Version; 9] = [
    Version::V01,
    Version::V02,
    Version::V03,
    Version::V04,
    Version::V05,
    Version::V06,
    Version::V07,
    Version::V08,
    Version::V09,
];
const MASKS: [Mask; 8] = [
    Mask::Checkerboard,
    Mask::HorizontalLines,
    Mask::VerticalLines,
    Mask::DiagonalLines,
    Mask::LargeCheckerboard,
    Mask::Fields,
    Mask::Diamonds,
    Mask::Meadow,
];
/// Mode, length and terminator: 4 + 8 + 4 bits.
const HEADER_BYTES: usize = 2;
const CORRECTION_MAX: usize = 30;
/// Modules on a side of version 9.
const SIDE_MAX: usize = 53;

static CANVASES: [OnceLock<Option<Canvas>>; 9] = [const { OnceLock::new() }; 9];

impl Blocks {
    const fn new(shorter: usize, bytes: usize, longer: usize, correction: usize) -> Self {
        Self {
            shorter,
            bytes,
            longer,
            correction,
        }
    }

    const fn data(&self) -> usize {
        self.shorter * self.bytes + self.longer * (self.bytes + 1)
    }

    /// Text and correction, interleaved as they are laid out. `text` fits.
    fn codewords(&self, text: &[u8]) -> Vec<u8> {
        let data = self.message(text);
        let generator = generator(self.correction);
        let count = self.shorter + self.longer;
        let mut codewords = vec![0; data.len() + self.correction * count];
        let (laid, corrections) = codewords.split_at_mut(data.len());
        let mut rest = data.as_slice();
        for block in 0..count {
            let is_longer = block >= self.shorter;
            let (own, others) = rest.split_at(self.bytes + usize::from(is_longer));
            rest = others;
            for (at, byte) in own.iter().enumerate() {
                // The last byte of the longer ones stands behind all the others.
                let before = if at < self.bytes {
                    block
                } else {
                    block - self.shorter
                };
                laid[at * count + before] = *byte;
            }
            let remainder = remainder(own, &generator[..self.correction]);
            for (at, byte) in remainder[..self.correction].iter().enumerate() {
                corrections[at * count + block] = *byte;
            }
        }
        codewords
    }

    /// Mode, length, text, terminator and filling.
    fn message(&self, text: &[u8]) -> Vec<u8> {
        const BYTE_MODE: u8 = 0b0100;
        const FILLING: [u8; 2] = [0b1110_1100, 0b0001_0001];
        let mut message = Vec::with_capacity(self.data());
        // Four bits of the mode shift all that follows by half a byte.
        let mut half = BYTE_MODE;
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        for byte in std::iter::once(&length).chain(text) {
            message.push(half << 4 | byte >> 4);
            half = byte & 0b1111;
        }
        message.push(half << 4);
        let missing = self.data().saturating_sub(message.len());
        message.extend(FILLING.into_iter().cycle().take(missing));
        message
    }
}

/// The fixed parts of a version.
struct Canvas {
    size: usize,
    /// Where the bits of the codewords go, in their order: column and line.
    places: Vec<(u8, u8)>,
    /// Which modules are data.
    data: Plane,
    /// The fixed patterns while masks are weighed: without the bits that name the mask.
    patterns: Plane,
    masks: [Painted; 8],
}

/// What a mask turns, and the fixed patterns with its name.
struct Painted {
    turns: Plane,
    patterns: Lines,
}

/// The same modules as lines and as columns.
struct Plane {
    lines: Lines,
    columns: Lines,
}

impl Canvas {
    /// None only where fast_qr refuses what it documents to take; codes are then drawn by it alone.
    fn of(at: usize) -> Option<Self> {
        let drawn = |mask: usize| {
            let mut builder = QRBuilder::new("a");
            builder.ecl(ECL::Q).version(VERSIONS[at]).mask(MASKS[mask]);
            builder.build().ok()
        };
        let first = drawn(0)?;
        let size = first.size;
        let kind = |code: &QRCode, x: usize, y: usize| code[y][x].module_type();
        let is_data = |x, y| kind(&first, x, y) == ModuleType::Data;
        let data = Plane::of(size, is_data);
        let patterns = Plane::of(size, |x, y| {
            let fixed = !matches!(kind(&first, x, y), ModuleType::Data | ModuleType::Format);
            fixed && first[y][x].value()
        });
        let mut masks = Vec::with_capacity(MASKS.len());
        for mask in 0..MASKS.len() {
            let code = drawn(mask)?;
            let is_dark = |x: usize, y: usize| !is_data(x, y) && code[y][x].value();
            masks.push(Painted {
                turns: Plane::of(size, |x, y| is_data(x, y) && turns(mask, x, y)),
                patterns: Plane::of(size, is_dark).lines,
            });
        }
        Some(Self {
            size,
            places: places(size, is_data),
            data,
            patterns,
            masks: masks.try_into().ok()?,
        })
    }

    fn painted(&self, codewords: &[u8]) -> Lines {
        let (mut lines, mut columns) = (vec![0; self.size], vec![0; self.size]);
        let bits = codewords
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        // What is left of the places stays light.
        for ((x, y), bit) in self.places.iter().zip(bits) {
            lines[usize::from(*y)] |= u64::from(bit) << x;
            columns[usize::from(*x)] |= u64::from(bit) << y;
        }
        let penalty = |mask: &&Painted| {
            let fixed = &self.patterns;
            penalty(
                &turned(&lines, &mask.turns.lines, &fixed.lines),
                &turned(&columns, &mask.turns.columns, &fixed.columns),
                &self.data,
            )
        };
        // The first of the best, as fast_qr takes it; there always are eight.
        let best = self
            .masks
            .iter()
            .min_by_key(penalty)
            .unwrap_or(&self.masks[0]);
        let whole = turned(&lines, &best.turns.lines, &best.patterns);
        whole[..self.size].to_vec()
    }
}

/// The modules under a mask, with the fixed patterns.
fn turned(bits: &[u64], turns: &[u64], fixed: &[u64]) -> [u64; SIDE_MAX] {
    let mut turned = [0; SIDE_MAX];
    for (turned, ((bits, turns), fixed)) in turned.iter_mut().zip(bits.iter().zip(turns).zip(fixed))
    {
        *turned = bits ^ turns | fixed;
    }
    turned
}

impl Plane {
    fn of(size: usize, is_set: impl Fn(usize, usize) -> bool) -> Self {
        let word = |is_set: &dyn Fn(usize) -> bool| {
            (0..size).fold(0, |word, at| word | u64::from(is_set(at)) << at)
        };
        Self {
            lines: (0..size).map(|y| word(&|x| is_set(x, y))).collect(),
            columns: (0..size).map(|x| word(&|y| is_set(x, y))).collect(),
        }
    }
}

/// In pairs of columns from the right, upwards and downwards in turn, past the column of the timing pattern (section 7.7.3).
fn places(size: usize, is_data: impl Fn(usize, usize) -> bool) -> Vec<(u8, u8)> {
    let mut places = Vec::with_capacity(size * size);
    let mut upwards = true;
    let rights = (7..size).rev().step_by(2).chain([5, 3, 1]);
    for right in rights {
        for step in 0..size {
            let y = if upwards { size - 1 - step } else { step };
            for x in [right, right - 1] {
                if is_data(x, y) {
                    // A side has at most 53 modules.
                    places.push((x as u8, y as u8));
                }
            }
        }
        upwards = !upwards;
    }
    places
}

/// Whether a mask turns the module (table 10).
fn turns(mask: usize, x: usize, y: usize) -> bool {
    match mask {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (x / 3 + y / 2).is_multiple_of(2),
        5 => x * y % 2 + x * y % 3 == 0,
        6 => (x * y % 2 + x * y % 3).is_multiple_of(2),
        _ => ((x + y) % 2 + x * y % 3).is_multiple_of(2),
    }
}

/// How hard a code is to read (section 7.8.3), weighed as fast_qr does: of the fixed patterns only what looks like a finder counts.
fn penalty(lines: &[u64], columns: &[u64], data: &Plane) -> u32 {
    let (mut penalty, mut dark) = (0, 0);
    for (lines, data) in [(lines, &data.lines), (columns, &data.columns)] {
        for (line, data) in lines.iter().zip(data) {
            penalty += runs(*line, *data) + finders(*line);
        }
    }
    for (lines, data) in lines.windows(2).zip(data.lines.windows(2)) {
        let (upper, lower) = (lines[0], lines[1]);
        let both = data[0] & data[1];
        let same = !(upper ^ lower) & !(upper ^ upper >> 1) & !(lower ^ lower >> 1);
        penalty += 3 * (same & both & both >> 1).count_ones();
    }
    for line in lines {
        dark += line.count_ones();
    }
    // A side has at most 53 modules.
    let all = (data.lines.len() * data.lines.len()) as u32;
    let steps = dark * 100 / all / 5;
    penalty + 10 * if steps < 10 { 9 - steps } else { steps - 10 }
}

/// Five and more alike in a line: three points, and one for each above five.
fn runs(line: u64, data: u64) -> u32 {
    let alike = !(line ^ line >> 1) & data & data >> 1;
    let fives = alike & alike >> 1 & alike >> 2 & alike >> 3;
    if fives == 0 {
        return 0;
    }
    fives.count_ones() + 2 * (fives & !(fives << 1)).count_ones()
}

/// What looks like a finder pattern with four light modules before or behind it; beyond the edge all is light.
fn finders(line: u64) -> u32 {
    // Room for the light edge before the first module.
    let l = line << 4;
    let found = l & !(l >> 1) & l >> 2 & l >> 3 & l >> 4 & !(l >> 5) & l >> 6;
    if found == 0 {
        return 0;
    }
    let before = !(l << 1 | l << 2 | l << 3 | l << 4);
    let behind = !(l >> 7 | l >> 8 | l >> 9 | l >> 10);
    40 * ((found & before).count_ones() + (found & behind).count_ones())
}

/// The polynomial of so many bytes of correction, without its first term (annex A).
fn generator(count: usize) -> [u8; CORRECTION_MAX] {
    let mut generator = [0; CORRECTION_MAX];
    generator[count - 1] = 1;
    let mut root = 1;
    for _ in 0..count {
        for at in 0..count {
            generator[at] = product(generator[at], root);
            if at + 1 < count {
                generator[at] ^= generator[at + 1];
            }
        }
        root = product(root, 2);
    }
    generator
}

/// What is left of a block divided by its generator.
fn remainder(block: &[u8], generator: &[u8]) -> [u8; CORRECTION_MAX] {
    let mut rest = [0; CORRECTION_MAX];
    for byte in block {
        let factor = byte ^ rest[0];
        rest.copy_within(1.., 0);
        rest[CORRECTION_MAX - 1] = 0;
        if factor != 0 {
            let factor = usize::from(LOGARITHMS[usize::from(factor)]);
            for (rest, term) in rest.iter_mut().zip(generator) {
                // No term of a generator is 0.
                *rest ^= POWERS[factor + usize::from(LOGARITHMS[usize::from(*term)])];
            }
        }
    }
    rest
}

/// In the field of 256 with the polynomial 0x11d.
const fn product(a: u8, b: u8) -> u8 {
    let (mut product, mut a, mut b) = (0, a as u16, b);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a <<= 1;
        if a > 0xff {
            a ^= 0x11d;
        }
        b >>= 1;
    }
    product as u8
}

/// Powers of 2, twice over, so that two logarithms are added without a remainder.
static POWERS: [u8; 512] = {
    let mut powers = [0; 512];
    let (mut at, mut power) = (0, 1);
    while at < 512 {
        powers[at] = power;
        power = product(power, 2);
        at += 1;
    }
    powers
};

static LOGARITHMS: [u8; 256] = {
    let mut logarithms = [0; 256];
    let mut at = 0;
    while at < 255 {
        logarithms[POWERS[at] as usize] = at as u8;
        at += 1;
    }
    logarithms
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn by_fast_qr(text: &str) -> Lines {
        let code = QRBuilder::new(text).build().unwrap();
        Plane::of(code.size, |x, y| code[y][x].value()).lines
    }

    #[test]
    fn every_text_gets_the_modules_that_fast_qr_chooses() {
        let mut hash = blake3::Hasher::new();
        let (mut longest, mut bytes) = (0, [0; 260]);
        for length in 1..=130 {
            for round in 0..4 {
                hash.update(&[length, round])
                    .finalize_xof()
                    .fill(&mut bytes);
                let mut text: String = bytes[..usize::from(length)]
                    .iter()
                    .map(|byte| char::from(b' ' + byte % 95))
                    .collect();
                text.replace_range(..1, "h");
                assert_eq!(lines(&text).unwrap(), by_fast_qr(&text), "{text:?}");
                longest = longest.max(text.len());
            }
        }
        assert_eq!(longest, 130);
    }

    #[test]
    fn what_is_not_text_in_small_letters_or_too_long_is_left_to_fast_qr() {
        assert!(lines("HTTPS://SHOP.EXAMPLE").is_none());
        assert!(lines("0123456789").is_none());
        assert!(lines(&"a".repeat(131)).is_none());
        let chinese = "https://shop.example/钥铺";
        assert_eq!(lines(chinese).unwrap(), by_fast_qr(chinese));
    }
}

//! Values of a unit that mostly differ, in little memory.

/// Values by hash, each with the cell and row of the span that has it.
#[derive(Default)]
pub(super) struct Listed {
    hashes: Vec<u64>,
    codes: Vec<u16>,
    rows: Vec<u16>,
    /// The cells that codes stand for.
    cells: Vec<u32>,
}

impl Listed {
    /// None yet, with codes for these cells.
    pub(super) fn with(cells: Vec<u32>) -> Self {
        Self { cells, ..Self::default() }
    }

    /// Whether rows and codes of a unit fit.
    pub(super) fn has_room(rows: usize, codes: usize) -> bool {
        const MOST: usize = 1 << u16::BITS;
        rows <= MOST && codes <= MOST
    }

    pub(super) fn push(&mut self, hash: u64, code: u32, row: usize) {
        self.hashes.push(hash);
        self.codes.push(u16::try_from(code).unwrap_or_default());
        self.rows.push(u16::try_from(row).unwrap_or_default());
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (size_of::<u64>() + 2 * size_of::<u16>()) + self.cells.len() * size_of::<u32>()
    }

    /// Hash, cell and row of each value.
    #[inline]
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, u32, u32)> + '_ {
        let cell = |code: &u16| self.cells.get(usize::from(*code)).copied().unwrap_or_default();
        let places = self.codes.iter().zip(&self.rows);
        self.hashes.iter().zip(places).map(move |(hash, (code, row))| (*hash, cell(code), u32::from(*row)))
    }
}

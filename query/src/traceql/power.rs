//! How tightly operators bind, loosest first. The parser and the printer both go by it.

use super::ast::BinaryOp;

pub(super) const LOGIC: u8 = 1;
pub(super) const COMPARE: u8 = 2;
pub(super) const ADD: u8 = 3;
pub(super) const NOT: u8 = 4;
pub(super) const MULTIPLY: u8 = 5;
pub(super) const POW: u8 = 6;
pub(super) const NEGATE: u8 = 7;
pub(super) const ATOM: u8 = 8;

impl BinaryOp {
    pub(super) fn power(self) -> u8 {
        match self {
            Self::Add | Self::Sub => ADD,
            Self::Mul | Self::Div | Self::Mod => MULTIPLY,
            Self::Pow => POW,
            _ => COMPARE,
        }
    }

    /// The least powers that the operators of the left and of the right side may have without brackets. All operators group to the
    /// left, but `^` groups to the right: `2 ^ 3 ^ 2` is `2 ^ (3 ^ 2)`.
    pub(super) fn side_powers(self) -> (u8, u8) {
        let own = self.power();
        if self == Self::Pow { (own + 1, own) } else { (own, own + 1) }
    }
}

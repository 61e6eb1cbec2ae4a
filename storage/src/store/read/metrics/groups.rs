//! The groups of a query. Codes of different units meet here, through their values.

use std::cmp::Ordering;

use hashbrown::HashMap;

use crate::codec::len_u32;
use crate::first_values::{bytes, listed_order};
use crate::scan::Coded;
use crate::{QueryContext, ReadError, Reserved, Value};

/// Memory of a value or group beside its text, about.
const ENTRY_BYTES: usize = 64;

/// Numbers for distinct values and for distinct groups of values. Clients choose the values, so hashes have a seed that no client knows.
pub(super) struct Groups {
    numbers: HashMap<Option<Value>, u32>,
    values: Vec<Option<Value>>,
    groups: HashMap<Box<[u32]>, u32>,
    list: Vec<Box<[u32]>>,
    memory: Reserved,
}

impl Groups {
    pub(super) fn new(context: &QueryContext) -> Result<Self, ReadError> {
        Ok(Self {
            numbers: HashMap::new(),
            values: Vec::new(),
            groups: HashMap::new(),
            list: Vec::new(),
            memory: context.reserve(0)?,
        })
    }

    /// The numbers of groups, which a unit names by its own codes.
    pub(super) fn numbers(&mut self, keys: &[Vec<u32>], by: &[Coded]) -> Result<Vec<u32>, ReadError> {
        // A unit may have codes that none of its rows has.
        let mut known: Vec<Vec<Option<u32>>> = by.iter().map(|coded| vec![None; coded.values.len()]).collect();
        let mut group = Vec::new();
        let mut numbers = Vec::with_capacity(keys.len());
        for key in keys {
            group.clear();
            for ((code, coded), known) in key.iter().zip(by).zip(&mut known) {
                let (code, unknown) = (*code as usize, &mut None);
                let number = known.get_mut(code).unwrap_or(unknown);
                group.push(match number {
                    Some(number) => *number,
                    None => *number.insert(self.value(coded.values.get(code).unwrap_or(&None))?),
                });
            }
            numbers.push(self.group(&group)?);
        }
        Ok(numbers)
    }

    /// The number of a value.
    pub(super) fn value(&mut self, value: &Option<Value>) -> Result<u32, ReadError> {
        if let Some(number) = self.numbers.get(value) {
            return Ok(*number);
        }
        self.memory.grow(ENTRY_BYTES + 2 * value.as_ref().map_or(0, bytes))?;
        let number = len_u32(self.values.len());
        self.values.push(value.clone());
        self.numbers.insert(value.clone(), number);
        Ok(number)
    }

    /// The number of a group of values.
    pub(super) fn of_values(&mut self, values: &[Option<Value>]) -> Result<u32, ReadError> {
        let numbers = values.iter().map(|value| self.value(value)).collect::<Result<Vec<_>, _>>()?;
        self.group(&numbers)
    }

    fn group(&mut self, values: &[u32]) -> Result<u32, ReadError> {
        if let Some(number) = self.groups.get(values) {
            return Ok(*number);
        }
        self.memory.grow(ENTRY_BYTES + 2 * size_of_val(values))?;
        let number = len_u32(self.list.len());
        self.list.push(values.into());
        self.groups.insert(values.into(), number);
        Ok(number)
    }

    /// The order of groups by their values, missing ones first.
    pub(super) fn order(&self, one: u32, other: u32) -> Ordering {
        let own = |group: u32| self.list.get(group as usize).map_or(&[][..], |numbers| numbers);
        let value = |number: &u32| self.values.get(*number as usize).and_then(Option::as_ref);
        let pairs = own(one).iter().zip(own(other)).filter(|(one, other)| one != other);
        let orders = pairs.map(|(one, other)| match (value(one), value(other)) {
            (Some(one), Some(other)) => listed_order(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// The value with this number.
    pub(super) fn value_of(&self, number: u32) -> Option<Value> {
        self.values.get(number as usize).cloned().flatten()
    }

    /// The values of a group.
    pub(super) fn of(&self, group: u32) -> Vec<Option<Value>> {
        let numbers = self.list.get(group as usize).map_or(&[][..], |numbers| numbers);
        numbers.iter().map(|number| self.value_of(*number)).collect()
    }
}

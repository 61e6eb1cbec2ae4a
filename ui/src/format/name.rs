//! Names of spans where there is little room.

/// Longer ends than this are not kept whole.
const LONGEST_END: usize = 44;

/// A span name in three parts. A narrow column shortens the first first, and the last never: methods of one service begin alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// `shop.catalog.v1.`
    pub(crate) package: String,
    /// `CatalogService/`
    pub(crate) owner: String,
    /// `GetProduct`
    pub(crate) end: String,
}

impl Name {
    pub(crate) fn of(text: &str) -> Self {
        let at =
            text.char_indices().rev().skip(1).find(|(_, c)| matches!(c, '/' | '.')).map(|(at, c)| at + c.len_utf8());
        let whole = || Self { owner: text.to_owned(), ..Self::default() };
        let Some(at) = at else { return whole() };
        // The path of a request keeps its slash: `POST /api/cart` and `/checkout`.
        let is_request = text.contains(char::is_whitespace);
        let at = if is_request { at - 1 } else { at };
        let (before, end) = text.split_at(at);
        if end.chars().count() > LONGEST_END
            || (is_request && !end.starts_with('/'))
            || end.contains(char::is_whitespace)
        {
            return whole();
        }
        if is_request {
            return Self { owner: before.to_owned(), end: end.to_owned(), ..Self::default() };
        }
        let owner =
            before.char_indices().rev().skip(1).find(|(_, c)| matches!(c, '/' | '.')).map_or(0, |(at, _)| at + 1);
        let (package, owner) = before.split_at(owner);
        Self { package: package.to_owned(), owner: owner.to_owned(), end: end.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_they_are_least_missed() {
        let long = format!("a.{}", "x".repeat(90));
        for (text, parts) in [
            ("shop.catalog.v1.CatalogService/GetProduct", ["shop.catalog.v1.", "CatalogService/", "GetProduct"]),
            ("com.acme.OrderRepository.findAll", ["com.acme.", "OrderRepository.", "findAll"]),
            ("orders.process", ["", "orders.", "process"]),
            ("POST /api/cart/checkout", ["", "POST /api/cart", "/checkout"]),
            ("GET /", ["", "GET /", ""]),
            ("SELECT catalog.products", ["", "SELECT catalog.products", ""]),
            ("publish orders", ["", "publish orders", ""]),
            ("", ["", "", ""]),
            ("ends/", ["", "ends/", ""]),
            ("ünï.cödé", ["", "ünï.", "cödé"]),
            (&long, ["", &long, ""]),
        ] {
            let name = Name::of(text);
            assert_eq!([name.package.as_str(), &name.owner, &name.end], parts, "{text}");
        }
    }
}

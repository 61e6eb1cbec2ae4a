//! Changes in the markup of a page. A quote inside a text or a value is escaped, so `="/` stands only where a template wrote it.

use super::wishes::Wishes;
use crate::filters::escaped;

/// Attributes that have addresses.
const ADDRESSES: [&str; 9] = [
    " href",
    " action",
    " formaction",
    " src",
    " data-tail",
    " data-complete",
    " data-offer",
    " data-base",
    " data-brush",
];

/// Whether an address is one of this server.
pub(super) fn is_local(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
}

/// The page as `wishes` say.
pub(super) fn page(text: &str, wishes: &Wishes) -> String {
    let mut page = links(text, wishes);
    if !wishes.theme.is_empty() {
        page = page.replacen("<html ", &format!("<html class=\"{}\" ", wishes.theme), 1);
    }
    if let Some(window) = &wishes.window {
        let body = format!("<body class=\"{}\"", wishes.classes.join(" "));
        let href = escaped(&format!("{}{window}", wishes.base));
        let link = format!(
            "<p class=\"own-window\"><a href=\"{href}\" target=\"_blank\" rel=\"noopener\">Open in hoptrail</a></p></main>"
        );
        page = page.replacen("<body", &body, 1).replacen("</main>", &link, 1);
    }
    page
}

/// The text with addresses of this server as `wishes` say. Forms get what links have after the `?` as hidden fields.
pub(super) fn links(text: &str, wishes: &Wishes) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(at) = rest.find("=\"/") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (quote, from) = from.split_at(2);
        out.push_str(quote);
        let Some((address, after)) = from.split_once('"') else {
            rest = from;
            break;
        };
        rest = &from[address.len()..];
        let name = ADDRESSES.iter().find(|name| before.ends_with(**name)).filter(|_| is_local(address));
        match name {
            None => out.push_str(address),
            Some(&" action") => {
                out.extend([&wishes.base, address]);
                if let Some((tag, content)) = after.split_once('>').filter(|_| !wishes.kept.is_empty()) {
                    out.extend(["\"", tag, ">", &wishes.fields()]);
                    rest = content;
                }
            }
            Some(&" formaction") => out.extend([&wishes.base, address]),
            Some(_) => out.push_str(&wishes.address(address, "&amp;")),
        }
    }
    out.push_str(rest);
    out
}

impl Wishes {
    fn fields(&self) -> String {
        let field = |(name, value): &(&str, &str)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        self.kept.iter().map(field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(base: &str, kept: &[(&'static str, &'static str)]) -> Wishes {
        Wishes { base: base.to_owned(), kept: kept.to_vec(), ..Wishes::default() }
    }

    #[test]
    fn addresses_of_this_server_are_changed_and_no_others() {
        let text =
            "<a href=\"/a?b=1&#38;c=2#d\" title=\"/a\"><input value=\"/x\"><a href=\"//b\"><a href=\"https://c/\">=\"/";
        let page = links(text, &below("/hop", &[]));
        assert_eq!(page, text.replacen("/a?b", "/hop/a?b", 1));
        let page = links(text, &below("", &[("uiEmbed", "v0")]));
        assert_eq!(page, text.replacen("c=2#d", "c=2&amp;uiEmbed=v0#d", 1));
    }

    #[test]
    fn forms_get_fields() {
        let text = "<form action=\"/search\" data-x><button formaction=\"/csv\">";
        assert_eq!(
            links(text, &below("/h", &[("uiEmbed", "v0"), ("uiTheme", "dark")])),
            "<form action=\"/h/search\" data-x><input type=\"hidden\" name=\"uiEmbed\" value=\"v0\">\
             <input type=\"hidden\" name=\"uiTheme\" value=\"dark\"><button formaction=\"/h/csv\">"
        );
    }

    #[test]
    fn every_beginning_of_a_page_can_be_changed() {
        let text = "<form action=\"/ä\" b><a href=\"/ö#ü\">";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            _ = links(&text[..end], &below("/h", &[("uiEmbed", "v0")]));
        }
    }
}

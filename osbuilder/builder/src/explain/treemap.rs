//! A squarified treemap: areas in proportion to bytes, as near to squares as
//! they fit. One rectangle a package or directory, drawn as SVG; HTML is the
//! SVG with the table below it. No scripts, no fonts, nothing from elsewhere.

use super::sizes::{Share, Sizes, human};
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 700.0;
/// Rectangles below this many square pixels are too small to see; their shares
/// become one.
const LEAST: f64 = 60.0;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Draws the shares of a guest.
#[must_use]
pub fn svg(title: &str, shares: &[Share]) -> String {
    let shares = gathered(shares);
    let areas = squarify(
        &shares.iter().map(|share| share.bytes).collect::<Vec<_>>(),
        Area { x: 0.0, y: 30.0, width: WIDTH, height: HEIGHT },
    );
    let total: u64 = shares.iter().map(|share| share.bytes).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n<text x=\"4\" y=\"20\" font-size=\"16\">{title}: {}</text>\n",
        HEIGHT + 30.0,
        human(total),
        title = escape(title),
    );
    for (number, (share, area)) in shares.iter().zip(&areas).enumerate() {
        out += &rectangle(number, share, *area, total);
    }
    out.push_str("</svg>\n");
    out
}

/// The same as a page, with the tables.
#[must_use]
pub fn html(title: &str, sizes: &Sizes) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>body{{font-family:sans-serif}}td{{padding:0 1em}}td:first-child{{text-align:right}}</style>\n<h1>{title}</h1>\n",
        title = escape(title)
    );
    for (heading, shares) in [("By package", &sizes.origins), ("By directory", &sizes.directories)]
    {
        writeln!(out, "<h2>{heading}</h2>").expect("a String takes everything");
        out += &svg(heading, shares);
        out.push_str("<table>\n");
        for share in shares {
            writeln!(out, "<tr><td>{}<td>{}", human(share.bytes), escape(&share.name))
                .expect("a String takes everything");
        }
        out.push_str("</table>\n");
    }
    out.push_str("</html>\n");
    out
}

/// Shares that can be seen, largest first; the others as one.
fn gathered(shares: &[Share]) -> Vec<Share> {
    let total: u64 = shares.iter().map(|share| share.bytes).sum();
    let visible = |bytes: u64| bytes as f64 * WIDTH * HEIGHT >= LEAST * total as f64;
    let (mut large, small): (Vec<Share>, Vec<Share>) =
        shares.iter().filter(|s| s.bytes > 0).cloned().partition(|share| visible(share.bytes));
    if !small.is_empty() {
        large.push(Share {
            name: format!("{} more", small.len()),
            bytes: small.iter().map(|share| share.bytes).sum(),
            entries: small.iter().map(|share| share.entries).sum(),
        });
    }
    large.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    large
}

fn rectangle(number: usize, share: &Share, area: Area, total: u64) -> String {
    let Area { x, y, width, height } = area;
    let percent = share.bytes as f64 * 100.0 / total.max(1) as f64;
    let name = escape(&share.name);
    let mut out = format!(
        "<g><title>{name}: {} ({percent:.1}%)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"hsl({},45%,80%)\" stroke=\"#fff\"/>",
        human(share.bytes),
        // The golden angle keeps neighbours' colours apart.
        number * 137 % 360,
    );
    // A letter is about 7 pixels wide at this size.
    let room = share.name.chars().count() as f64 * 7.0 + 8.0;
    if height >= 16.0 && width >= room {
        write!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{name}</text>", x + 4.0, y + 14.0)
            .expect("a String takes everything");
        if height >= 32.0 {
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 4.0,
                y + 28.0,
                human(share.bytes)
            )
            .expect("a String takes everything");
        }
    }
    out.push_str("</g>\n");
    out
}

/// Lays values (largest first) out: each row grows along the shorter side as
/// long as that makes its worst rectangle squarer.
fn squarify(values: &[u64], mut free: Area) -> Vec<Area> {
    let total: u64 = values.iter().sum();
    let scale = free.width * free.height / (total.max(1)) as f64;
    let sizes: Vec<f64> = values.iter().map(|value| *value as f64 * scale).collect();
    let mut areas = Vec::with_capacity(values.len());
    let mut start = 0;
    while start < sizes.len() {
        let side = free.width.min(free.height);
        let mut end = start + 1;
        while end < sizes.len()
            && worst(&sizes[start..=end], side) <= worst(&sizes[start..end], side)
        {
            end += 1;
        }
        place(&sizes[start..end], &mut free, &mut areas);
        start = end;
    }
    areas
}

/// The longest shape in a row of these sizes along a side.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let thickness = sum / side.max(f64::MIN_POSITIVE);
    let shape = |size: &f64| {
        let length = size / thickness.max(f64::MIN_POSITIVE);
        (length / thickness).max(thickness / length)
    };
    row.iter().map(shape).fold(0.0, f64::max)
}

fn place(row: &[f64], free: &mut Area, areas: &mut Vec<Area>) {
    let sum: f64 = row.iter().sum();
    let upright = free.width >= free.height;
    let side = if upright { free.height } else { free.width };
    let thickness = sum / side.max(f64::MIN_POSITIVE);
    let mut along = 0.0;
    for size in row {
        let length = size / thickness.max(f64::MIN_POSITIVE);
        areas.push(if upright {
            Area { x: free.x, y: free.y + along, width: thickness, height: length }
        } else {
            Area { x: free.x + along, y: free.y, width: length, height: thickness }
        });
        along += length;
    }
    if upright {
        free.x += thickness;
        free.width -= thickness;
    } else {
        free.y += thickness;
        free.height -= thickness;
    }
}

/// Text in XML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_fill_the_whole() {
        let values = [600, 600, 400, 300, 200, 200, 100];
        let whole = Area { x: 0.0, y: 0.0, width: 6.0, height: 4.0 };
        let areas = squarify(&values, whole);
        for (value, area) in values.iter().zip(&areas) {
            let size = area.width * area.height;
            assert!((size - *value as f64 / 100.0).abs() < 1e-9, "{value}: {area:?}");
            assert!(area.x > -1e-9 && area.x + area.width < 6.0 + 1e-9, "{area:?}");
            assert!(area.y > -1e-9 && area.y + area.height < 4.0 + 1e-9, "{area:?}");
            let shape = (area.width / area.height).max(area.height / area.width);
            assert!(shape < 3.0, "{area:?}");
        }
        for (number, one) in areas.iter().enumerate() {
            for other in &areas[number + 1..] {
                let wide = (one.x + one.width).min(other.x + other.width) - one.x.max(other.x);
                let high = (one.y + one.height).min(other.y + other.height) - one.y.max(other.y);
                assert!(wide < 1e-9 || high < 1e-9, "{one:?} over {other:?}");
            }
        }
    }

    #[test]
    fn nothing_and_strange_names_make_a_legal_picture() {
        assert!(!svg("empty", &[]).contains("NaN"));
        let share = Share { name: "a<b>&\"c\"".into(), bytes: 9, entries: 1 };
        let picture = svg("<&>", &[share]);
        assert!(picture.contains("a&lt;b&gt;&amp;&quot;c&quot;"), "{picture}");
        assert!(picture.contains("<title>&lt;&amp;&gt;</title>"), "{picture}");
        assert!(!picture.contains("NaN"));
    }
}

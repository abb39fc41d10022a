//! A timeline as an SVG picture: one bar a stage, its name on the left and its
//! length beside it. The same timeline always gives the same bytes.

use std::fmt::Write;

use crate::timeline::Timeline;

const ROW: u64 = 28;
const BAR: u64 = 18;
const TOP: u64 = 40;
const LEFT: u64 = 110;
const WIDTH: u64 = 560;
const RIGHT: u64 = 200;

/// Colours that stay apart for most forms of colour blindness.
const COLOURS: [&str; 6] = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377"];

/// Draws the host's times; the guest's are added to the labels.
pub(crate) fn draw(timeline: &Timeline, title: &str) -> String {
    let total = timeline.stages.last().map_or(1, |stage| stage.host_end_us.max(1));
    let rows = u64::try_from(timeline.stages.len()).unwrap_or(0);
    let (width, height) = (LEFT + WIDTH + RIGHT, TOP + rows * ROW + 10);
    let mut svg = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">"
    );
    let _ = writeln!(svg, "<title>{}</title>", escape(title));
    let _ = writeln!(svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
    let _ = writeln!(
        svg,
        "<text x=\"10\" y=\"22\" font-size=\"14\">{}: {} ms in all</text>",
        escape(title),
        milliseconds(total)
    );
    for ((stage, colour), row) in timeline.stages.iter().zip(COLOURS.iter().cycle()).zip(0..) {
        let y = TOP + row * ROW;
        let x = LEFT + scaled(stage.host_start_us, total);
        let end = LEFT + scaled(stage.host_end_us, total);
        let bar = (end - x).max(1);
        let mut label = format!("{} ms", milliseconds(stage.host_end_us - stage.host_start_us));
        if let Some(guest) = stage.guest_ns {
            let _ = write!(label, " (guest {} ms)", milliseconds(guest / 1000));
        }
        let text_y = y + 13;
        let _ =
            writeln!(svg, "<text x=\"10\" y=\"{text_y}\">{}</text>", escape(stage.stage.name()));
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{bar}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        );
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{text_y}\">{label}</text>", x + bar + 6);
    }
    svg.push_str("</svg>\n");
    svg
}

fn scaled(micros: u64, total: u64) -> u64 {
    let scaled = u128::from(micros) * u128::from(WIDTH) / u128::from(total);
    u64::try_from(scaled).unwrap_or(WIDTH)
}

/// Whole milliseconds and one digit, in integers so that every host rounds alike.
fn milliseconds(micros: u64) -> String {
    format!("{}.{}", micros / 1000, micros % 1000 / 100)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Stage, StageTime};
    use expect_test::expect;

    #[test]
    fn bars_stand_where_their_stages_are() {
        let stage = |stage, host_start_us, host_end_us, guest_ns| StageTime {
            stage,
            host_start_us,
            host_end_us,
            guest_ns,
        };
        let timeline = Timeline {
            stages: vec![
                stage(Stage::Firmware, 0, 250_000, None),
                stage(Stage::Kernel, 250_000, 1_000_000, Some(650_049_999)),
            ],
            guest_agent_listening_ns: None,
        };
        expect![[r##"
            <svg xmlns="http://www.w3.org/2000/svg" width="870" height="106" viewBox="0 0 870 106" font-family="sans-serif" font-size="12">
            <title>a &lt;b&gt; &amp; &quot;c&quot;</title>
            <rect width="870" height="106" fill="#ffffff"/>
            <text x="10" y="22" font-size="14">a &lt;b&gt; &amp; &quot;c&quot;: 1000.0 ms in all</text>
            <text x="10" y="53">firmware</text>
            <rect x="110" y="40" width="140" height="18" fill="#4477aa"/>
            <text x="256" y="53">250.0 ms</text>
            <text x="10" y="81">kernel</text>
            <rect x="250" y="68" width="420" height="18" fill="#66ccee"/>
            <text x="676" y="81">750.0 ms (guest 650.0 ms)</text>
            </svg>
        "##]].assert_eq(&draw(&timeline, "a <b> & \"c\""));
    }

    #[test]
    fn an_empty_timeline_is_still_a_picture() {
        let svg = draw(&Timeline::default(), "nothing");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    }
}

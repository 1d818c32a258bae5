//! A table that builds only the cells it shows, however many rows there are.

use std::cell::Cell;

use ratatui::{
    layout::{Alignment, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::dashboard::canvas::{Canvas, Hit, width_of};

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) width: u16,
    /// What it grows to where there is room.
    pub(crate) most: u16,
    pub(crate) right: bool,
    /// Where room is short, the highest goes first; 0 always stays.
    pub(crate) rank: u8,
}

impl Column {
    fn grows(&self) -> bool {
        self.most > self.width
    }
}

/// Makes a column of a fixed width.
pub(crate) const fn column(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, most: width, right: false, rank }
}

/// Makes a column of a fixed width whose cells are numbers.
pub(crate) const fn number(title: &'static str, width: u16, rank: u8) -> Column {
    Column { right: true, ..column(title, width, rank) }
}

/// Makes a column of at least a width that takes what room is left, up to thrice that: eyes lose the row otherwise.
pub(crate) const fn growing(title: &'static str, width: u16, rank: u8) -> Column {
    Column { most: width.saturating_mul(3), ..column(title, width, rank) }
}

/// Makes a column of sentences: of at least a width, and it takes all the room that the others leave.
pub(crate) const fn prose(title: &'static str, width: u16, rank: u8) -> Column {
    Column { most: u16::MAX, ..column(title, width, rank) }
}

/// Which row is selected, and which one is on top.
#[derive(Debug, Default)]
pub(crate) struct TableState {
    pub(crate) selected: usize,
    /// Columns that somebody does not want to see.
    pub(crate) hidden: Vec<usize>,
    /// Remembered by drawing, which alone knows the height.
    offset: Cell<usize>,
    height: Cell<usize>,
}

impl TableState {
    /// Moves the selection, staying inside.
    pub(crate) fn step(&mut self, by: isize, rows: usize) {
        self.selected = self.selected.saturating_add_signed(by).min(rows.saturating_sub(1));
    }

    /// Rows of a page.
    pub(crate) fn page(&self) -> isize {
        isize::try_from(self.height.get().max(2) - 1).unwrap_or(1)
    }

    /// The rows of the window that was drawn last.
    pub(crate) fn in_sight(&self, rows: usize) -> std::ops::Range<usize> {
        let from = self.offset.get().min(rows);
        from..from.saturating_add(self.height.get()).min(rows)
    }

    fn window(&self, rows: usize, height: usize) -> std::ops::Range<usize> {
        if rows == 0 || height == 0 {
            return 0..0;
        }
        let selected = self.selected.min(rows - 1);
        let latest = rows.saturating_sub(height);
        let offset = self.offset.get().min(latest).min(selected).max((selected + 1).saturating_sub(height));
        self.offset.set(offset);
        self.height.set(height);
        offset..(offset + height).min(rows)
    }
}

/// Place and width of each column that has room: index, x, width.
fn arrange(columns: &[Column], hidden: &[usize], width: u16) -> Vec<(usize, u16, u16)> {
    let mut shown: Vec<usize> = (0..columns.len()).filter(|index| !hidden.contains(index)).collect();
    let needed = |shown: &[usize]| -> u16 {
        let gaps = u16::try_from(shown.len().saturating_sub(1)).unwrap_or(u16::MAX);
        shown.iter().map(|index| columns[*index].width).sum::<u16>().saturating_add(gaps)
    };
    while shown.len() > 1 && needed(&shown) > width {
        let Some(last) =
            shown.iter().copied().filter(|index| columns[*index].rank > 0).max_by_key(|index| columns[*index].rank)
        else {
            break;
        };
        shown.retain(|index| *index != last);
    }
    let mut growing = u16::try_from(shown.iter().filter(|index| columns[**index].grows()).count()).unwrap_or(1);
    let mut spare = width.saturating_sub(needed(&shown));
    let mut widths: Vec<u16> = shown.iter().map(|index| columns[*index].width).collect();
    for (index, wide) in shown.iter().zip(&mut widths).filter(|(index, _)| columns[**index].grows()) {
        // What one does not take, those after it may.
        let extra = (spare / growing.max(1)).min(columns[*index].most - *wide);
        *wide += extra;
        spare -= extra;
        growing -= 1;
    }
    if let Some(prose) = shown.iter().position(|index| columns[*index].most == u16::MAX) {
        widths[prose] += spare;
    }
    let mut places = Vec::with_capacity(shown.len());
    let mut x = 0;
    for (index, wide) in shown.into_iter().zip(widths) {
        let wide = wide.min(width.saturating_sub(x));
        if wide == 0 {
            break;
        }
        places.push((index, x, wide));
        x = x.saturating_add(wide + 1);
    }
    places
}

/// What a table shows besides its cells.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) rows: usize,
    pub(crate) state: &'a TableState,
    /// Column it is sorted by, and whether downwards.
    pub(crate) sort: Option<(usize, bool)>,
    /// The same of what decides between equals.
    pub(crate) then: Option<(usize, bool)>,
    /// Whether it has the keys.
    pub(crate) has_keys: bool,
}

impl Table<'_> {
    /// Draws head and visible rows; `cell` makes the content of a row's column for a width.
    pub(crate) fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        area: Rect,
        mut cell: impl FnMut(usize, usize, u16) -> Line<'static>,
    ) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let places = arrange(self.columns, &self.state.hidden, area.width);
        for (index, x, width) in &places {
            let column = &self.columns[*index];
            let of = |order: Option<(usize, bool)>| order.filter(|(column, _)| column == index);
            let arrow = match (of(self.sort), of(self.then)) {
                (Some((_, true)), _) => "▾",
                (Some((_, false)), _) => "▴",
                (None, Some((_, true))) => "▿",
                (None, Some((_, false))) => "▵",
                (None, None) => "",
            };
            let head = Rect { x: area.x + x, y: area.y, width: *width, height: 1 };
            let line = Line::from(vec![Span::raw(column.title), Span::raw(arrow)]).style(canvas.theme.dim);
            put(canvas, head, &line, column.right);
            canvas.hits.add(head, Hit::Column(*index));
        }
        let height = usize::from(area.height - 1);
        for (line, row) in self.state.window(self.rows, height).enumerate() {
            let y = area.y + 1 + u16::try_from(line).unwrap_or(0);
            let place = Rect { y, height: 1, ..area };
            for (index, x, width) in &places {
                let content = cell(row, *index, *width);
                let at = Rect { x: area.x + x, y, width: *width, height: 1 };
                put(canvas, at, &content, self.columns[*index].right);
            }
            if row == self.state.selected {
                let style =
                    if self.has_keys { Style::reset().patch(canvas.theme.selected) } else { canvas.theme.title };
                // Only the first cell: a whole row of another style is 600 bytes for each step over a slow line.
                let first = places.first().map_or(place.width, |(_, _, width)| *width);
                canvas.buffer.set_style(Rect { width: first, ..place }, style);
            }
            canvas.hits.add(place, Hit::Row(row));
        }
    }
}

fn put(canvas: &mut Canvas<'_>, area: Rect, line: &Line<'_>, right: bool) {
    let width = u16::try_from(width_of(line)).unwrap_or(u16::MAX);
    let right = right || line.alignment == Some(Alignment::Right);
    let x = if right && width < area.width { area.x + area.width - width } else { area.x };
    canvas.line(Rect { x, width: area.width - (x - area.x), ..area }, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[growing("NAME", 10, 0), column("STATUS", 8, 1), number("CPU", 5, 2), column("IMAGE", 20, 3)];

    fn widths(width: u16) -> Vec<(usize, u16, u16)> {
        arrange(COLUMNS, &[], width)
    }

    #[test]
    fn columns_go_by_rank_and_one_grows() {
        assert_eq!(widths(46), [(0, 0, 10), (1, 11, 8), (2, 20, 5), (3, 26, 20)]);
        assert_eq!(widths(50), [(0, 0, 14), (1, 15, 8), (2, 24, 5), (3, 30, 20)]);
        assert_eq!(widths(30), [(0, 0, 15), (1, 16, 8), (2, 25, 5)]);
        assert_eq!(widths(20), [(0, 0, 11), (1, 12, 8)]);
        assert_eq!(widths(4), [(0, 0, 4)]);
        assert_eq!(widths(0), []);
        let wide = |columns: &[Column]| arrange(columns, &[], 100).iter().map(|(_, _, wide)| *wide).collect::<Vec<_>>();
        assert_eq!(wide(COLUMNS), [30, 8, 5, 20], "thrice the least, not more");
        assert_eq!(wide(&[growing("WHO", 10, 0), prose("WHY", 20, 0), growing("WHERE", 5, 0)]), [30, 53, 15]);
    }

    #[test]
    fn the_window_follows_the_selection_and_only_then() {
        let mut state = TableState::default();
        assert_eq!(state.window(100, 10), 0..10);
        state.step(9, 100);
        assert_eq!(state.window(100, 10), 0..10);
        state.step(1, 100);
        assert_eq!(state.window(100, 10), 1..11);
        state.step(-5, 100);
        assert_eq!(state.window(100, 10), 1..11);
        state.step(1_000, 100);
        assert_eq!((state.selected, state.window(100, 10)), (99, 90..100));
        assert_eq!(state.window(3, 10), 0..3, "fewer rows than before");
        assert_eq!(state.window(0, 0), 0..0);
    }
}

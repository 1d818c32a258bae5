//! A list that a view shows: what there is, what of it fits the filter, in which order, and which one is selected.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt::Debug,
    hash::Hash,
};

use serde::{Deserialize, Serialize};

use crate::dashboard::{
    action::Action,
    filter::{Filter, FuzzyMatcher},
    widgets::table::{Column, TableState},
};

/// Something that can be listed.
pub(crate) trait Listed {
    /// What stays the same when the list is fetched anew.
    type Key: Clone + Debug + Eq + Hash;
    const COLUMNS: &'static [Column];
    fn key(&self) -> Self::Key;
    /// Takes over from the item before what this newer one came without.
    fn keep(&mut self, _before: &mut Self) {}
    /// What a filter looks at: column name and text.
    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)>;
    /// What copying it copies.
    fn copied(&self) -> String {
        self.cells().into_iter().next().map(|(_, text)| text.into_owned()).unwrap_or_default()
    }
    /// All of it.
    fn json(&self) -> serde_json::Value {
        let cells = self.cells().into_iter();
        cells.map(|(name, text)| (name.to_owned(), serde_json::Value::from(text.into_owned()))).collect()
    }
    /// Order by a column.
    fn compare(&self, other: &Self, column: usize) -> Ordering;
    /// Whether a column begins with its largest.
    fn downwards(column: usize) -> bool;
}

/// What of a list is shown in which order, whatever it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Arrangement {
    pub(crate) filter: String,
    /// Title of the column it is sorted by, and whether downwards.
    pub(crate) sort: Option<(String, bool)>,
    /// The same of the order that decides between equals.
    pub(crate) then: Option<(String, bool)>,
    /// Titles of columns that are not shown.
    pub(crate) hidden: Vec<String>,
}

/// What every list can do, whatever it holds.
pub(crate) trait AnyList {
    /// What of it is shown.
    fn filter(&self) -> &str;
    fn set_filter(&mut self, filter: String);
    /// Sorts by a column, or turns its order around.
    fn sort_on(&mut self, column: usize);
    /// Moves the selection, marks, or sorts; says whether the action was one of these.
    fn act(&mut self, action: Action) -> bool;
    fn table(&mut self) -> &mut TableState;
    /// How many are shown, and how many there are.
    fn count(&self) -> (usize, usize);
    /// How many are marked, also where the filter hides them, and whether moving marks more.
    fn marks(&self) -> (usize, bool);
    /// Takes all marks away; says whether there were any.
    fn unmark(&mut self) -> bool;
    /// What is copied of the selected one: its name, or all of it as JSON.
    fn copied(&self, whole: bool) -> Option<String>;
    /// Titles of the columns, and whether each is shown.
    fn columns(&self) -> Vec<(&'static str, bool)>;
    /// Shows a column or hides it, with what belongs to it; the first one stays.
    fn toggle_column(&mut self, title: &str);
    fn arrangement(&self) -> Arrangement;
    /// Arranges it as it was; a column that there is no more sorts nothing.
    fn arrange_as(&mut self, arrangement: &Arrangement);
}

/// A column and whether it begins with its largest.
pub(crate) type Order = (usize, bool);

/// The list.
#[derive(Debug)]
pub(crate) struct List<T: Listed> {
    items: Vec<T>,
    /// Where each of them is in `items`.
    places: HashMap<T::Key, usize>,
    /// Places of those that fit the filter, in the order they are shown.
    shown: Vec<usize>,
    pub(crate) table: TableState,
    pub(crate) sort: Option<Order>,
    /// Decides between those that the order leaves equal: the order before it.
    pub(crate) then: Option<Order>,
    pub(crate) filter: String,
    marked: HashSet<T::Key>,
    /// Where a range began, and what was marked before it: moving marks everything from there on.
    range: Option<(T::Key, HashSet<T::Key>)>,
    /// Whether it was fetched at all.
    pub(crate) loaded: bool,
}

impl<T: Listed> Default for List<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            places: HashMap::new(),
            shown: Vec::new(),
            table: TableState::default(),
            sort: None,
            then: None,
            filter: String::new(),
            marked: HashSet::new(),
            range: None,
            loaded: false,
        }
    }
}

impl<T: Listed> List<T> {
    /// An empty list that is sorted by a column.
    pub(crate) fn sorted(column: usize) -> Self {
        Self { sort: Some((column, T::downwards(column))), ..Self::default() }
    }

    /// Everything, in the order it came.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// What is shown, by its place.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.items.get(*self.shown.get(place)?)
    }

    /// How many are shown.
    pub(crate) fn shown(&self) -> usize {
        self.shown.len()
    }

    pub(crate) fn selected(&self) -> Option<&T> {
        self.get(self.table.selected)
    }

    /// What is marked: what is shown in its order, then what the filter hides.
    pub(crate) fn marked(&self) -> impl Iterator<Item = &T> {
        // Whoever looks at the first few needs no set of all.
        let hidden = std::iter::once(()).flat_map(|()| {
            let is_shown: HashSet<usize> = self.shown.iter().copied().collect();
            (0..self.items.len()).filter(move |place| !is_shown.contains(place))
        });
        let places = self.shown.iter().copied().chain(hidden);
        places.map(|place| &self.items[place]).filter(|item| self.is_marked(item))
    }

    pub(crate) fn is_marked(&self, item: &T) -> bool {
        !self.marked.is_empty() && self.marked.contains(&item.key())
    }

    /// Marks the selected one or not, and goes on to the next.
    fn mark(&mut self) {
        self.range = None;
        let Some(key) = self.selected().map(Listed::key) else { return };
        if !self.marked.remove(&key) {
            self.marked.insert(key);
        }
        self.table.step(1, self.shown.len());
    }

    /// Begins a range at the selected one, or ends it there.
    fn mark_range(&mut self) {
        if self.range.take().is_none() {
            self.range = self.selected().map(|selected| (selected.key(), self.marked.clone()));
            self.extend_range();
        }
    }

    /// Marks everything between the beginning of a range and the selected one.
    fn extend_range(&mut self) {
        let Some((from, before)) = &self.range else { return };
        let Some(from) = self.shown_at(from) else {
            self.range = None;
            return;
        };
        let (from, until) = (from.min(self.table.selected), from.max(self.table.selected));
        let between = self.shown[from..=until.min(self.shown.len() - 1)].iter().map(|place| self.items[*place].key());
        self.marked = before.iter().cloned().chain(between).collect();
    }

    /// Marks everything that is shown; if all of it is, nothing.
    fn mark_all(&mut self) {
        self.range = None;
        let shown: HashSet<T::Key> = self.shown.iter().map(|place| self.items[*place].key()).collect();
        if shown.is_subset(&self.marked) {
            self.marked.retain(|key| !shown.contains(key));
        } else {
            self.marked.extend(shown);
        }
    }

    /// What is gone is no longer marked.
    fn keep_marks(&mut self) {
        self.marked.retain(|key| self.places.contains_key(key));
    }

    /// Why nothing fits a filter that names a column which there is not.
    pub(crate) fn unknown_column(&self) -> Option<String> {
        let cells = self.items.first()?.cells();
        let mut names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
        names.dedup();
        let filter = Filter::parse(&self.filter);
        let unknown = tomo_proto::text::display_line(filter.unknown(&names)?, 20);
        Some(format!("nothing fits; \"{unknown}\" is no column, those are: {}", names.join(", ")))
    }

    /// What is in the window that was drawn last.
    pub(crate) fn in_sight(&self) -> impl Iterator<Item = &T> {
        self.table.in_sight(self.shown.len()).filter_map(|place| self.get(place))
    }

    /// Where something is shown.
    fn shown_at(&self, key: &T::Key) -> Option<usize> {
        let place = self.places.get(key)?;
        self.shown.iter().position(|shown| shown == place)
    }

    /// Keeps the selection on a thing; if that is gone or hidden, where it was.
    fn select(&mut self, key: Option<&T::Key>) {
        let place = key.and_then(|key| self.shown_at(key));
        self.table.selected = place.unwrap_or(self.table.selected).min(self.shown.len().saturating_sub(1));
    }

    /// Takes a fresh list over; the selection stays on the same thing.
    pub(crate) fn replace(&mut self, mut items: Vec<T>) {
        let selected = self.selected().map(Listed::key);
        for item in &mut items {
            if let Some(place) = self.places.get(&item.key()) {
                item.keep(&mut self.items[*place]);
            }
        }
        self.places = items.iter().enumerate().map(|(place, item)| (item.key(), place)).collect();
        self.items = items;
        self.loaded = true;
        self.keep_marks();
        self.arrange(selected.as_ref());
    }

    /// Takes changed items over: those that are new are added. Only these are looked at, however long the list is.
    pub(crate) fn merge(&mut self, changed: Vec<T>) {
        let selected = self.selected().map(Listed::key);
        let mut moved = Vec::with_capacity(changed.len());
        for mut item in changed {
            match self.places.entry(item.key()) {
                Entry::Occupied(place) => {
                    let place = *place.get();
                    item.keep(&mut self.items[place]);
                    self.items[place] = item;
                    moved.push(place);
                }
                Entry::Vacant(place) => {
                    moved.push(*place.insert(self.items.len()));
                    self.items.push(item);
                }
            }
        }
        self.rearrange(moved);
        self.select(selected.as_ref());
    }

    /// Sorts by the next column that is shown, and by none after the last.
    pub(crate) fn sort_next(&mut self) {
        let next = self.sort.map_or(0, |(column, _)| column + 1);
        // A sparkline has no title and is no order.
        let is_order = |column: &usize| !self.table.hidden.contains(column) && !T::COLUMNS[*column].title.is_empty();
        let next = (next..T::COLUMNS.len()).find(is_order);
        self.sort_by(next.map(|next| (next, T::downwards(next))));
    }

    pub(crate) fn reverse(&mut self) {
        let (column, downwards) = self.sort.unwrap_or((0, false));
        self.sort_by(Some((column, !downwards)));
    }

    /// The order so far decides from then on between equals.
    /// Sorts anew. Whoever does that wants to see what comes first now.
    fn sort_by(&mut self, sort: Option<Order>) {
        let column = sort.map(|(column, _)| column);
        let before = [self.sort, self.then].into_iter().flatten().find(|(before, _)| Some(*before) != column);
        self.then = sort.and(before);
        self.sort = sort;
        self.arrange(None);
        self.table.selected = 0;
    }

    /// Those of some places that fit the filter, in their order.
    fn sifted(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let filter = Filter::parse(&self.filter);
        let mut matcher = FuzzyMatcher::default();
        let mut fitting: Vec<usize> = places
            .filter(|place| {
                filter.is_empty() || {
                    let cells = self.items[*place].cells();
                    let cells: Vec<(&str, &str)> = cells.iter().map(|(name, cell)| (*name, cell.as_ref())).collect();
                    filter.fits(&cells, &mut matcher)
                }
            })
            .collect();
        fitting.sort_unstable_by(|left, right| self.place_order(*left, *right));
        fitting
    }

    /// Which of two items comes first, as far as the list's order says.
    fn order(&self, left: &T, right: &T) -> Ordering {
        let by = |order: Option<Order>| match order {
            Some((column, true)) => left.compare(right, column).reverse(),
            Some((column, false)) => left.compare(right, column),
            None => Ordering::Equal,
        };
        by(self.sort).then_with(|| by(self.then))
    }

    /// Which of two places comes first; of equals, the one that came first.
    fn place_order(&self, left: usize, right: usize) -> Ordering {
        self.order(&self.items[left], &self.items[right]).then(left.cmp(&right))
    }

    /// Filters and sorts everything anew.
    fn arrange(&mut self, selected: Option<&T::Key>) {
        self.shown = self.sifted(0..self.items.len());
        self.select(selected);
    }

    /// Filters and sorts some places anew; the others stay in their order.
    fn rearrange(&mut self, moved: Vec<usize>) {
        let mut is_moved = vec![false; self.items.len()];
        moved.iter().for_each(|place| is_moved[*place] = true);
        let mut staying = std::mem::take(&mut self.shown);
        staying.retain(|place| !is_moved[*place]);
        let mut moved = self.sifted(moved.into_iter());
        // One may have changed twice.
        moved.dedup();
        let mut shown = Vec::with_capacity(staying.len() + moved.len());
        let mut rest = staying.as_slice();
        for place in moved {
            let (before, after) = rest.split_at(rest.partition_point(|other| self.place_order(*other, place).is_lt()));
            shown.extend_from_slice(before);
            shown.push(place);
            rest = after;
        }
        shown.extend_from_slice(rest);
        self.shown = shown;
    }
}

impl<T: Listed> AnyList for List<T> {
    fn filter(&self) -> &str {
        &self.filter
    }

    fn set_filter(&mut self, filter: String) {
        let selected = self.selected().map(Listed::key);
        self.filter = filter;
        self.arrange(selected.as_ref());
    }

    fn sort_on(&mut self, column: usize) {
        // A sparkline is of the figure before it.
        let column = (0..=column).rev().find(|column| !T::COLUMNS[*column].title.is_empty()).unwrap_or(column);
        let again = self.sort.filter(|(sorted, _)| *sorted == column);
        self.sort_by(Some((column, again.map_or_else(|| T::downwards(column), |(_, downwards)| !downwards))));
    }

    fn act(&mut self, action: Action) -> bool {
        let (rows, page) = (self.shown.len(), self.table.page());
        match action {
            Action::Sort => self.sort_next(),
            Action::SortReverse => self.reverse(),
            Action::Mark => self.mark(),
            Action::MarkRange => self.mark_range(),
            Action::MarkAll => self.mark_all(),
            other => {
                let moved = step(&mut self.table, other, rows, page);
                self.extend_range();
                return moved;
            }
        }
        true
    }

    fn table(&mut self) -> &mut TableState {
        &mut self.table
    }

    fn count(&self) -> (usize, usize) {
        (self.shown.len(), self.items.len())
    }

    fn marks(&self) -> (usize, bool) {
        (self.marked.len(), self.range.is_some())
    }

    fn unmark(&mut self) -> bool {
        self.range = None;
        !std::mem::take(&mut self.marked).is_empty()
    }

    fn copied(&self, whole: bool) -> Option<String> {
        let selected = self.selected()?;
        if whole { serde_json::to_string_pretty(&selected.json()).ok() } else { Some(selected.copied()) }
    }

    fn columns(&self) -> Vec<(&'static str, bool)> {
        let titled = T::COLUMNS.iter().enumerate().filter(|(_, column)| !column.title.is_empty());
        titled.map(|(place, column)| (column.title, !self.table.hidden.contains(&place))).collect()
    }

    fn toggle_column(&mut self, title: &str) {
        let Some(place) = T::COLUMNS.iter().position(|column| column.title == title).filter(|place| *place > 0) else {
            return;
        };
        // A column without a title shows more of the one before it.
        let more = T::COLUMNS[place + 1..].iter().take_while(|column| column.title.is_empty()).count();
        let of = place..=place + more;
        if self.table.hidden.contains(&place) {
            self.table.hidden.retain(|hidden| !of.contains(hidden));
        } else {
            self.table.hidden.extend(of);
        }
    }

    fn arrangement(&self) -> Arrangement {
        let titled = |(column, downwards): Order| (T::COLUMNS[column].title.to_owned(), downwards);
        let hidden =
            self.columns().into_iter().filter(|(_, shown)| !shown).map(|(title, _)| title.to_owned()).collect();
        Arrangement { filter: self.filter.clone(), sort: self.sort.map(titled), then: self.then.map(titled), hidden }
    }

    fn arrange_as(&mut self, arrangement: &Arrangement) {
        let order = |titled: &Option<(String, bool)>| {
            let (title, downwards) = titled.as_ref()?;
            Some((T::COLUMNS.iter().position(|column| column.title == *title)?, *downwards))
        };
        self.sort = order(&arrangement.sort);
        self.then = order(&arrangement.then);
        self.table.hidden.clear();
        arrangement.hidden.iter().for_each(|title| self.toggle_column(title));
        self.set_filter(arrangement.filter.clone());
    }
}

/// Moves a table's selection; says whether the action was one of moving.
pub(crate) fn step(table: &mut TableState, action: Action, rows: usize, page: isize) -> bool {
    let by = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::HalfPageUp => -(page / 2).max(1),
        Action::HalfPageDown => (page / 2).max(1),
        Action::PageUp => -page,
        Action::PageDown => page,
        Action::Top => isize::MIN,
        Action::Bottom => isize::MAX,
        _ => return false,
    };
    table.step(by, rows);
    true
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::dashboard::widgets::table::growing;

    #[derive(Debug)]
    struct Item(&'static str, u32);

    impl Listed for Item {
        type Key = &'static str;
        const COLUMNS: &'static [Column] = &[growing("NAME", 4, 0), growing("SIZE", 4, 0)];

        fn key(&self) -> &'static str {
            self.0
        }

        fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
            vec![("name", self.0.into()), ("size", self.1.to_string().into())]
        }

        fn compare(&self, other: &Self, column: usize) -> Ordering {
            if column == 0 { self.0.cmp(other.0) } else { self.1.cmp(&other.1) }
        }

        fn downwards(column: usize) -> bool {
            column == 1
        }
    }

    fn names(list: &List<Item>) -> Vec<&'static str> {
        (0..list.shown()).filter_map(|place| list.get(place)).map(|item| item.0).collect()
    }

    #[test]
    fn the_selection_stays_on_its_thing() {
        let mut list = List::default();
        list.replace(vec![Item("a", 1), Item("b", 3), Item("c", 2)]);
        list.act(Action::Bottom);
        assert_eq!(list.selected().map(|item| item.0), Some("c"));
        list.sort_on(1);
        assert_eq!(names(&list), ["b", "c", "a"]);
        assert_eq!(list.selected().map(|item| item.0), Some("b"), "what comes first is what somebody sorts for");
        list.act(Action::Down);
        list.merge(vec![Item("c", 9), Item("d", 0)]);
        assert_eq!(names(&list), ["c", "b", "a", "d"]);
        assert_eq!(list.table.selected, 0);
        list.set_filter("!c".to_owned());
        assert_eq!(names(&list), ["b", "a", "d"]);
        list.set_filter(String::new());
        list.replace(Vec::new());
        assert_eq!((list.table.selected, list.selected().is_none()), (0, true));
    }

    #[test]
    fn merging_arranges_as_fetching_everything_anew_does() {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let arranged = (any::<Option<(bool, bool)>>(), any::<Option<bool>>(), any::<bool>());
        let batches = vec(vec((0..NAMES.len(), 0..4_u32), 0..6), 1..6);
        proptest!(|((sort, then, filtered) in arranged, batches in batches)| {
            let list = || {
                let sort = sort.map(|(by_size, downwards)| (usize::from(by_size), downwards));
                let then = then.map(|downwards| (0, downwards));
                let mut list = List::<Item> { sort, then, ..List::default() };
                list.set_filter(if filtered { "size:1".to_owned() } else { String::new() });
                list
            };
            let (mut merged, mut all) = (list(), Vec::<Item>::new());
            for batch in batches {
                for (name, size) in &batch {
                    match all.iter_mut().find(|item| item.0 == NAMES[*name]) {
                        Some(item) => item.1 = *size,
                        None => all.push(Item(NAMES[*name], *size)),
                    }
                }
                let selected = merged.selected().map(|item| item.0);
                merged.merge(batch.into_iter().map(|(name, size)| Item(NAMES[name], size)).collect());
                let mut anew = list();
                anew.replace(all.iter().map(|item| Item(item.0, item.1)).collect());
                prop_assert_eq!(names(&merged), names(&anew));
                if let Some(selected) = selected.filter(|selected| names(&anew).contains(selected)) {
                    prop_assert_eq!(merged.selected().map(|item| item.0), Some(selected));
                }
            }
        });
    }

    #[test]
    fn a_list_comes_back_as_it_was_arranged_and_its_first_column_stays() {
        let mut list = List::default();
        list.replace(vec![Item("b", 1), Item("a", 2)]);
        list.toggle_column("SIZE");
        list.toggle_column("NAME");
        list.toggle_column("NONE");
        assert_eq!(list.columns(), [("NAME", true), ("SIZE", false)]);
        list.sort_on(0);
        list.sort_next();
        assert_eq!(list.sort, None, "what is not shown is not sorted by");
        list.sort_on(0);
        list.sort_on(1);
        list.set_filter("'a".to_owned());
        let kept = list.arrangement();
        assert_eq!(kept.then, Some(("NAME".to_owned(), false)));
        let mut again = List::default();
        again.arrange_as(&kept);
        again.replace(vec![Item("b", 1), Item("a", 2)]);
        assert_eq!((names(&again), again.arrangement()), (vec!["a"], kept.clone()));
        again.toggle_column("SIZE");
        assert_eq!(again.table.hidden, Vec::<usize>::new());
        // Another release may have other columns.
        let other = Arrangement { sort: Some(("AGE".to_owned(), true)), hidden: vec!["AGE".to_owned()], ..kept };
        again.arrange_as(&other);
        assert_eq!((again.sort, again.table.hidden.len()), (None, 0));
    }

    #[test]
    fn sorting_goes_round() {
        let mut list = List::default();
        list.replace(vec![Item("b", 1), Item("a", 2)]);
        list.act(Action::Sort);
        assert_eq!((names(&list), list.sort), (vec!["a", "b"], Some((0, false))));
        list.act(Action::Sort);
        assert_eq!((names(&list), list.sort), (vec!["a", "b"], Some((1, true))));
        list.act(Action::SortReverse);
        assert_eq!(names(&list), ["b", "a"]);
        list.act(Action::Sort);
        assert_eq!((list.sort, list.then), (None, None));
    }

    #[test]
    fn the_order_before_decides_between_equals() {
        let mut list = List::default();
        list.replace(vec![Item("b", 1), Item("d", 2), Item("a", 1), Item("c", 2)]);
        list.sort_on(0);
        list.sort_on(0);
        list.sort_on(1);
        assert_eq!((names(&list), list.sort, list.then), (vec!["d", "c", "b", "a"], Some((1, true)), Some((0, true))));
        list.sort_on(1);
        assert_eq!(
            (names(&list), list.then),
            (vec!["b", "a", "d", "c"], Some((0, true))),
            "turned around, not replaced"
        );
        list.sort_on(0);
        assert_eq!((list.sort, list.then), (Some((0, false)), Some((1, false))));
    }

    fn marked(list: &List<Item>) -> Vec<&'static str> {
        list.marked().map(|item| item.0).collect()
    }

    #[test]
    fn what_is_marked_stays_marked_wherever_it_goes_until_it_is_gone() {
        let mut list = List::default();
        list.replace(vec![Item("a", 1), Item("b", 3), Item("c", 2), Item("d", 4)]);
        list.act(Action::Mark);
        list.act(Action::Down);
        list.act(Action::Mark);
        assert_eq!((marked(&list), list.marks()), (vec!["a", "c"], (2, false)));
        list.sort_on(1);
        list.set_filter("!a".to_owned());
        assert_eq!((names(&list), marked(&list)), (vec!["d", "b", "c"], vec!["c", "a"]), "hidden ones come last");
        list.replace(vec![Item("b", 3), Item("c", 2)]);
        assert_eq!(marked(&list), ["c"]);
        list.act(Action::MarkAll);
        assert_eq!(marked(&list), ["b", "c"]);
        list.act(Action::MarkAll);
        assert_eq!(list.marks(), (0, false));
    }

    #[test]
    fn a_range_follows_the_selection_both_ways_and_adds_to_what_was_marked() {
        let mut list = List::default();
        list.replace(["a", "b", "c", "d", "e"].map(|name| Item(name, 0)).into());
        list.act(Action::Mark);
        list.act(Action::Down);
        list.act(Action::MarkRange);
        list.act(Action::Bottom);
        assert_eq!((marked(&list), list.marks()), (vec!["a", "c", "d", "e"], (4, true)));
        list.act(Action::Up);
        assert_eq!(marked(&list), ["a", "c", "d"]);
        list.act(Action::Top);
        assert_eq!(marked(&list), ["a", "b", "c"]);
        list.act(Action::MarkRange);
        list.act(Action::Bottom);
        assert_eq!((marked(&list), list.marks()), (vec!["a", "b", "c"], (3, false)), "it has ended");
        list.act(Action::MarkRange);
        list.replace(vec![Item("a", 0)]);
        list.act(Action::Down);
        assert_eq!((marked(&list), list.marks()), (vec!["a"], (1, false)), "its beginning is gone");
        assert!(list.unmark() && !list.unmark());
    }
}

//! Parts that screens are made of. They know neither the daemon nor the screens.

pub(crate) mod chart;
pub(crate) mod form;
pub(crate) mod gauge;
mod plot;
pub(crate) mod sparkline;
pub(crate) mod table;
mod textfield;
mod window;

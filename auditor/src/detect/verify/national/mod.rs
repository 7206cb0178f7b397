//! Numbers that states give people: pure checks of their letters and digits, by country.

pub(crate) mod austria;
pub(crate) mod baltic;
pub(crate) mod benelux;
pub(crate) mod bulgaria;
pub(crate) mod croatia;
pub(crate) mod czechia;
pub(crate) mod date;
pub(crate) mod denmark;
pub(crate) mod finland;
pub(crate) mod france;
pub(crate) mod germany;
pub(crate) mod greece;
pub(crate) mod hungary;
pub(crate) mod iceland;
pub(crate) mod ireland;
pub(crate) mod italy;
pub(crate) mod norway;
pub(crate) mod poland;
pub(crate) mod portugal;
pub(crate) mod romania;
pub(crate) mod slovenia;
pub(crate) mod spain;
pub(crate) mod sweden;
pub(crate) mod switzerland;
pub(crate) mod turkey;
pub(crate) mod united_kingdom;

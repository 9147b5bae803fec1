//! Series: results of one check by name on one branch. The tables are compared with a model that computes them from
//! scratch.

mod model;
mod properties;
mod scenarios;

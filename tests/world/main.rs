//! What a user of `sidetail` meets, tried from outside: the real program on real files over real sockets.
//!
//! `SIDETAIL_TEST_WATCH=auto|poll` chooses how the agents of all tests watch their files.

mod harness;
mod uses;
mod wire;
mod ids;
mod cuts;
mod rotation;
mod crash;
mod copytruncate;
mod gaps;
mod formats;
mod health;
mod held;
mod start;
mod systemd;
mod filter;
mod payload;
mod producers;
mod postgres;
mod rsyslog;
mod containers;
mod refusal;
mod reload;
mod discovery;
mod access;
mod bad_input;
mod before;
mod rules;
mod schema;
mod shared;
mod options;
mod own_log;
mod routes;
mod slow_start;
mod capacity;
mod cases;
mod ending;
mod limits;
mod load;
mod merged;
mod metrics;
mod nginx;
mod simulation;
mod tls;
mod tidy;

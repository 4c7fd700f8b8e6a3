//! Logs behind symbolic links: switched, several hops long, dangling, going in circles.

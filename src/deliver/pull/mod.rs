//! Deliveries for somebody inside a firewall, who comes for them.

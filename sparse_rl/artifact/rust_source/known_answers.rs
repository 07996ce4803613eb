//! What the actor must do on every machine.

#[test]
fn known_answers_are_given() {
    assert_eq!(srl_actor::selftest(), Ok(()));
}

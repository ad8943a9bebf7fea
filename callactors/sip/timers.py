"""The timers of RFC 3261 section 17 (table 4 of its appendix A), in seconds. Constants only; the clock is a shell's."""

from __future__ import annotations

T1 = 0.5  # round trip estimate
T2 = 4.0  # longest interval between retransmissions
T4 = 5.0  # longest time a message stays in the network

TIMER_A = T1  # INVITE client: first retransmission, doubles without end
TIMER_B = 64 * T1  # INVITE client: no answer at all -> 408
TIMER_C = 180.0  # proxy INVITE; ours to wait for a final response after a provisional one
TIMER_D = 32.0  # INVITE client: absorbs repeated final responses
TIMER_E = T1  # other client: first retransmission, doubles up to T2
TIMER_F = 64 * T1  # other client: no answer -> 408
TIMER_G = T1  # INVITE server: repeats a final response, doubles up to T2
TIMER_H = 64 * T1  # INVITE server: no ACK came
TIMER_I = T4  # INVITE server: absorbs repeated ACKs
TIMER_J = 64 * T1  # other server: answers repeated requests
TIMER_K = T4  # other client: absorbs repeated responses

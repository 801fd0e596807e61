"""The mean-field limit: population gradients, the mean-field flow, and its initial clouds."""

from mfsym.dynamics.states import FlowState
from mfsym.flows.limit_laws import Limit, cloud_of, flow_of, limit_of, refined_limit, time_attributes
from mfsym.flows.mean_field import Accuracy, MeanFieldFlow
from mfsym.flows.populations import Population
from mfsym.flows.quadratures import Rule, rules
from mfsym.flows.starts import START_LAWS, StartCloud, start_cloud

__all__ = [
    "START_LAWS",
    "Accuracy",
    "FlowState",
    "Limit",
    "MeanFieldFlow",
    "Population",
    "Rule",
    "StartCloud",
    "cloud_of",
    "flow_of",
    "limit_of",
    "refined_limit",
    "rules",
    "start_cloud",
    "time_attributes",
]

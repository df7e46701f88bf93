"""Who gets where in the console: o(wner), m(arketer), d(ata protection officer), v(iewer); "-" is nobody.

Judge a row before you add it. Owners may do everything; marketers campaigns, participants and reports; the officer
policies, history, approvals, exports and erasure; viewers see reports without persons. Strangers and people who are not
signed in get nowhere, so they have no column.
"""

from __future__ import annotations


def _table(text: str) -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in text.strip().splitlines())
    return {name: tuple(columns) for name, *columns in rows}


# Name of the address, who gets an answer to GET, who to POST.
PAGES = _table("""
accounts_auditentry_add                              -    -
accounts_auditentry_change                           od   -
accounts_auditentry_changelist                       od   od
accounts_auditentry_delete                           -    -
accounts_auditentry_export                           od   od
accounts_auditentry_history                          od   od
accounts_membership_add                              -    -
accounts_membership_change                           omdv -
accounts_membership_changelist                       omdv omdv
accounts_membership_delete                           -    -
accounts_membership_end_impersonation                o    o
accounts_membership_history                          omdv omdv
accounts_membership_invite                           o    o
accounts_membership_remove                           omdv omdv
accounts_membership_resend                           o    o
accounts_membership_role                             o    o
accounts_membership_withdraw                         o    o
accounts_organization_add                            -    -
accounts_organization_change                         omdv o
accounts_organization_changelist                     omdv omdv
accounts_organization_delete                         -    -
accounts_organization_history                        omdv omdv
accounts_sign_in                                     omdv o
app_list                                             omdv omdv
autocomplete                                         -    omdv
campaigns_campaign_add                               om   om
campaigns_campaign_archive                           om   om
campaigns_campaign_change                            omdv om
campaigns_campaign_changelist                        omdv omdv
campaigns_campaign_delete                            -    -
campaigns_campaign_duplicate                         om   om
campaigns_campaign_history                           omdv omdv
campaigns_campaign_report                            omdv omdv
campaigns_campaign_report_file                       omdv omdv
campaigns_campaign_restore                           om   om
campaigns_email_add                                  om   om
campaigns_email_archive                              om   om
campaigns_email_change                               omdv om
campaigns_email_changelist                           omdv omdv
campaigns_email_compare                              omd  omd
campaigns_email_declare                              om   om
campaigns_email_delete                               -    -
campaigns_email_duplicate                            om   om
campaigns_email_exempt_approve                       omd  omd
campaigns_email_exempt_ask                           omd  omd
campaigns_email_exempt_decline                       omd  omd
campaigns_email_exempt_withdraw                      omd  omd
campaigns_email_history                              omdv omdv
campaigns_email_message                              omd  omd
campaigns_email_one                                  om   om
campaigns_email_preview                              omdv omdv
campaigns_email_preview_copy                         omdv omdv
campaigns_email_question_remove                      om   om
campaigns_email_questions                            omdv om
campaigns_email_report                               omdv omdv
campaigns_email_report_file                          omdv omdv
campaigns_email_restore                              om   om
campaigns_email_send                                 om   om
campaigns_email_split_test                           omdv om
campaigns_email_test                                 om   om
campaigns_email_variants                             omdv om
campaigns_email_variants_drop                        om   om
campaigns_email_withdraw                             om   om
campaigns_launch_add                                 -    -
campaigns_launch_cancel                              om   om
campaigns_launch_change                              omdv omdv
campaigns_launch_changelist                          omdv omdv
campaigns_launch_delete                              -    -
campaigns_launch_history                             omdv omdv
campaigns_launch_link_map                            omdv omdv
campaigns_launch_link_map_email                      omdv omdv
campaigns_launch_pause                               om   om
campaigns_launch_progress                            omdv omdv
campaigns_launch_report_file                         omdv omdv
campaigns_launch_resume                              om   om
campaigns_segment_add                                om   om
campaigns_segment_change                             omdv om
campaigns_segment_changelist                         omdv omdv
campaigns_segment_delete                             -    -
campaigns_segment_forget                             om   om
campaigns_segment_history                            omdv omdv
campaigns_trialgroup_add                             om   om
campaigns_trialgroup_change                          omdv om
campaigns_trialgroup_changelist                      omdv omdv
campaigns_trialgroup_delete                          -    -
campaigns_trialgroup_forget                          om   om
campaigns_trialgroup_history                         omdv omdv
consent_anchors                                      od   od
consent_rule_table                                   omdv omdv
consent_seals                                        od   od
consent_topic_add                                    om   om
consent_topic_change                                 omdv om
consent_topic_changelist                             omdv omdv
consent_topic_delete                                 -    -
consent_topic_history                                omdv omdv
delivery_caughtmessage_add                           -    -
delivery_caughtmessage_change                        omd  omd
delivery_caughtmessage_changelist                    omd  omd
delivery_caughtmessage_delete                        o    o
delivery_caughtmessage_history                       omd  omd
delivery_caughtmessage_html                          omd  omd
delivery_caughtmessage_source                        omd  omd
delivery_connection_add                              o    o
delivery_connection_again                            o    o
delivery_connection_attest                           o    o
delivery_connection_change                           omd  o
delivery_connection_changelist                       omd  omd
delivery_connection_delete                           -    -
delivery_connection_guard                            o    o
delivery_connection_history                          omd  omd
delivery_connection_mend                             o    o
delivery_connection_secret                           o    o
delivery_connection_test                             o    o
delivery_connection_unattest                         o    o
delivery_dkimkey_add                                 o    o
delivery_dkimkey_change                              omd  omd
delivery_dkimkey_changelist                          omd  omd
delivery_dkimkey_check                               o    o
delivery_dkimkey_delete                              o    o
delivery_dkimkey_history                             omd  omd
delivery_sendingrules_add                            -    -
delivery_sendingrules_change                         omd  omd
delivery_sendingrules_changelist                     omd  o
delivery_sendingrules_delete                         -    -
delivery_sendingrules_history                        omd  omd
delivery_suppression_add                             om   om
delivery_suppression_change                          omd  -
delivery_suppression_changelist                      omd  omd
delivery_suppression_delete                          od   od
delivery_suppression_history                         omd  omd
delivery_uncertainmessage_add                        -    -
delivery_uncertainmessage_again                      om   om
delivery_uncertainmessage_change                     omd  omd
delivery_uncertainmessage_changelist                 omd  omd
delivery_uncertainmessage_count                      om   om
delivery_uncertainmessage_delete                     -    -
delivery_uncertainmessage_history                    omd  omd
delivery_uncertainmessage_single                     om   om
delivery_websiteconnection_add                       om   om
delivery_websiteconnection_change                    omd  om
delivery_websiteconnection_changelist                omd  omd
delivery_websiteconnection_delete                    om   om
delivery_websiteconnection_history                   omd  omd
index                                                omdv omdv
intake_consentmove_add                               om   om
intake_consentmove_change                            omd  omd
intake_consentmove_changelist                        omd  omd
intake_consentmove_continue                          om   om
intake_consentmove_delete                            -    -
intake_consentmove_evidence                          om   om
intake_consentmove_history                           omd  omd
intake_consentmove_unproven                          omd  omd
intake_entryform_add                                 -    -
intake_entryform_add_field                           om   om
intake_entryform_change                              omd  om
intake_entryform_changelist                          omd  omd
intake_entryform_delete                              -    -
intake_entryform_entries                             omd  omd
intake_entryform_export                              omd  omd
intake_entryform_field                               om   om
intake_entryform_history                             omd  omd
intake_entryform_of_campaign                         omd  omd
intake_entryform_press                               om   om
intake_entryform_preview                             omd  omd
intake_entryform_publish                             om   om
intake_entryform_renew_exit_email                    om   om
intake_entryform_withdraw                            om   om
intake_import_add                                    om   om
intake_import_cancel                                 om   om
intake_import_change                                 omd  omd
intake_import_changelist                             omd  omd
intake_import_continue                               om   om
intake_import_delete                                 -    -
intake_import_errors                                 omd  omd
intake_import_history                                omd  omd
intake_import_progress                               omd  omd
intake_peopleexport_add                              -    -
intake_peopleexport_change                           omd  -
intake_peopleexport_changelist                       omd  omd
intake_peopleexport_delete                           -    -
intake_peopleexport_file                             omd  omd
intake_peopleexport_history                          omd  omd
intake_peopleexport_retry                            omd  omd
intake_peopleexport_start                            omd  omd
jsi18n                                               omdv omdv
login                                                omdv omdv
participants_participant_add                         omd  omd
participants_participant_change                      omd  omd
participants_participant_changelist                  omd  omd
participants_participant_choice                      omd  omd
participants_participant_delete                      -    -
participants_participant_dossier                     od   od
participants_participant_history                     omd  omd
password_change                                      omdv omdv
password_change_done                                 omdv omdv
privacy_personrequest_add                            od   od
privacy_personrequest_answer                         od   od
privacy_personrequest_change                         od   od
privacy_personrequest_changelist                     od   od
privacy_personrequest_delete                         -    -
privacy_personrequest_erase                          od   od
privacy_personrequest_export                         od   od
privacy_personrequest_extend                         od   od
privacy_personrequest_history                        od   od
privacy_personrequest_inactivity                     od   od
privacy_personrequest_inactivity_rule                od   od
privacy_personrequest_leave                          od   od
privacy_personrequest_leave_act                      od   od
privacy_personrequest_leave_file                     od   od
privacy_personrequest_proof_ask                      od   od
privacy_personrequest_proof_decide                   od   od
privacy_personrequest_proofs                         od   od
privacy_personrequest_retention                      od   od
reporting_advisor                                    omdv omdv
reporting_compare                                    omdv omdv
reporting_compare_file                               omdv omdv
reporting_launch                                     omdv omdv
reporting_organization                               omdv omdv
reporting_organization_file                          omdv omdv
reporting_processing                                 omdv omdv
reporting_processing_file                            omdv omdv
reporting_scheduled                                  omdv omdv
search                                               omdv omdv
view_on_site                                         -    -
websites_consentscope_add                            o    o
websites_consentscope_change                         omdv o
websites_consentscope_changelist                     omdv omdv
websites_consentscope_delete                         -    -
websites_consentscope_history                        omdv omdv
websites_consentscope_move                           o    o
websites_website_add                                 om   om
websites_website_change                              omdv om
websites_website_changelist                          omdv omdv
websites_website_confirm                             od   od
websites_website_delete                              -    -
websites_website_history                             omdv omdv
websites_website_justification                       o    o
websites_website_notice                              omd  omd
websites_website_opinion                             od   od
websites_website_proposal_confirm                    od   od
websites_website_proposal_decline                    od   od
websites_website_proposal_opinion                    od   od
websites_website_proposal_withdraw                   od   od
websites_website_report                              omdv omdv
websites_website_report_file                         omdv omdv
websites_website_resume                              o    o
websites_website_stop                                omd  omd
websites_website_tracking                            omd  omd
websites_website_withdraw                            omd  omd
""")

# Action of a list, who is offered it.
ACTIONS = _table("""
campaigns.campaign:archive_selected                  om
campaigns.campaign:duplicate_selected                om
campaigns.campaign:restore_selected                  om
campaigns.email:archive_selected                     om
campaigns.email:duplicate_selected                   om
campaigns.email:restore_selected                     om
delivery.uncertainmessage:count_as_sent              om
delivery.uncertainmessage:send_again                 om
websites.website:change_tracking_of_selected         omd
""")

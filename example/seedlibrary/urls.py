"""URLs of the library's own pages."""

from django.urls import path

from seedlibrary import demonstration, views

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("story/", demonstration.StoryView.as_view(), name="story"),
    path("log-in-as/", demonstration.LogInView.as_view(), name="demo_log_in"),
    path("basket/", views.BasketView.as_view(), name="basket"),
    path("reserve/<int:pk>/", views.ReserveView.as_view(), name="reserve"),
    path("put-back/<int:pk>/", views.PutBackView.as_view(), name="put_back"),
    path("members/", views.MembersView.as_view(), name="members"),
    path("inbox/", views.InboxView.as_view(), name="inbox"),
    path("inbox/<str:name>/", views.LetterView.as_view(), name="letter"),
    path("inbox/<str:name>/html/", views.LetterHtmlView.as_view(), name="letter_html"),
    path("inbox/<str:name>/source/", views.LetterSourceView.as_view(), name="letter_source"),
]
